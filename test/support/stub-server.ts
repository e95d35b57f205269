import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { createLog } from "../../server/observe/log.ts";
import { createStubApp } from "./stub-app.ts";
import { stubLab } from "./stub-lab.ts";

/**
 * Serves the built client with sandboxes that are folders, for work on the page:
 * `node test/support/stub-server.ts --port 8080`. A task is passed by `touch "$STUB_HOME/<task id>"` in a terminal.
 */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" },
    /** Milliseconds of each step of a bring-up. */
    step: { type: "string", default: "1200" },
    room: { type: "string", default: "3" },
    dir: { type: "string", default: join(tmpdir(), "footbridge-stub") },
  },
});

async function service(title: string): Promise<number> {
  const server: Server = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(
      `<!doctype html><title>${title}</title><h1>${title}</h1><p>${request.method} ${request.url}</p>`,
    );
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

const services = { vm: await service("Inventory on the VM"), cluster: await service("API in the cluster") };
const labs = await loadLabs(join(import.meta.dirname, "../../labs")).catch((error: unknown) => {
  process.stderr.write(`stub-server: labs not loaded: ${error}\n`);
  return [];
});
const port = Number(values.port);
const stub = await createStubApp({
  dir: values.dir,
  settings: {
    port,
    vmWebPort: port === 0 ? 0 : port + 1,
    clusterWebPort: port === 0 ? 0 : port + 2,
    joinCode: "stub-code",
    logLevel: "debug",
  },
  sandboxes: {
    stepMs: Number(values.step),
    room: Number(values.room),
    ports: (world, inside) => (inside === 80 || inside >= 30_000 ? services[world] : undefined),
  },
  app: { labs: [...labs, stubLab], log: createLog({ logLevel: "info" }), tickMs: 2_000 },
});
const { url } = await stub.app.listen();
process.stdout.write(`page        ${url}\nlearner     ${stub.app.learnerLink()}\n`);
process.stdout.write(`instructor  ${await stub.app.instructorLink()}\n`);

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void stub[Symbol.asyncDispose]().then(() => process.exit(0)));
