import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readJournal } from "../../sandboxes/host/docker-journal.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { createImageBuilder, type ImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { ensureNodeImage } from "../../sandboxes/images/node-image.ts";
import { kindRecipe } from "../../sandboxes/images/node-image-components.ts";
import { publishedNodeImage, pullPublishedNode } from "../../sandboxes/images/node-image-published.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { ensureRegistryImage } from "../support/registry-image.ts";
import { createNodeCluster } from "./node-image-cluster.ts";

/**
 * A registry run locally out of Debian's docker-registry, which has our own node image under the published one's
 * name: what is pulled is real, only smaller in reach than Docker Hub.
 */
const registryName = `fb-registry-${process.pid}`;
let builder: ImageBuilder;
let folder: string;
let host: string;
let digest: string;
let version: string;

const docker = async (...args: string[]) =>
  (
    await run(["docker", ...args], { timeoutMs: 600_000, okExitCodes: args[0] === "rm" ? [1] : [] })
  ).stdout.trim();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fb-registry-"));
  const paths = { ...hostPaths(process.env), journalFile: join(folder, "journal.json") };
  builder = await createImageBuilder({ env: process.env, paths, report: () => {} });
  const built = await ensureNodeImage(builder, { source: "built" }, () => {});
  const registry = await ensureRegistryImage(builder);
  await docker(
    "run",
    "-d",
    "--name",
    registryName,
    "-p",
    "127.0.0.1::5000",
    registry.tag,
    "serve",
    "/etc/registry.yml",
  );
  host = await docker("port", registryName, "5000/tcp");
  await poll(
    async () => (await fetch(`http://${host}/v2/`).catch(() => undefined))?.ok === true,
    "the registry answers",
  );
  version = built.kubernetesVersion;
  const tagged = `${host}/kindest/node:${version}`;
  await docker("tag", built.image, tagged);
  await docker("push", "--quiet", tagged);
  const [pushed] = JSON.parse(
    await docker("image", "inspect", "--format", "{{json .RepoDigests}}", built.image),
  ).filter((name: string) => name.startsWith(host));
  digest = pushed.split("@")[1];
  await docker("image", "rm", tagged);
}, 45 * 60_000);

afterAll(async () => {
  await docker("rm", "-f", "-v", registryName);
  await docker("image", "rm", "-f", `${host}/kindest/node@${digest}`).catch(() => "");
  await rm(folder, { recursive: true, force: true });
});

describe("published node image", () => {
  it("is the one that kind's own release names, by digest", async () => {
    const { files } = await builder.ensureImage(kindRecipe());
    const { stdout } = await run(["cat", files["published-image"] ?? ""], { timeoutMs: 10_000 });
    expect(publishedNodeImage).toBe(stdout.trim());
  });

  it("is pulled from a mirror by its digest, a course's images are added, and two nodes come up", async () => {
    const tar = join(folder, "course.tar");
    await writeFile(join(folder, "marker"), "marker");
    await writeFile(join(folder, "Dockerfile"), "FROM scratch\nADD marker /marker\n");
    await docker("build", "--quiet", "--tag", "fb-node-image-published-course:1", folder);
    await docker("save", "--output", tar, "fb-node-image-published-course:1");
    const options = {
      source: "published" as const,
      registry: { host, image: `kindest/node:${version}@${digest}` },
      courseImageTars: [tar],
    };
    const steps: string[] = [];
    const node = await ensureNodeImage(builder, options, (event) =>
      steps.push(`${event.step} ${event.state}`),
    );
    expect(steps).toContain("pull the node image done");
    expect(node).toMatchObject({
      source: "published",
      kubernetesVersion: version,
      enforcesNetworkPolicy: true,
    });
    const { stdout } = await run([node.kubectlBinary, "version", "--client"], { timeoutMs: 30_000 });
    expect(stdout).toContain(version);
    await using cluster = await createNodeCluster(node, { name: `fb-pulled-${process.pid}`, nodes: 2 });
    for (const container of cluster.nodes)
      expect(await docker("exec", container, "ctr", "-n", "k8s.io", "images", "ls", "-q")).toContain(
        "fb-node-image-published-course:1",
      );
    await cluster.kubectl("wait", "--for=condition=Ready", "nodes,pods", "--all", "-A", "--timeout=170s");
    const again: string[] = [];
    expect(await ensureNodeImage(builder, options, (event) => again.push(event.step))).toEqual(node);
    expect(again).toEqual([]);
    const { pulledImages } = await readJournal(builder.deps.paths.journalFile);
    expect(pulledImages).toEqual([`${host}/kindest/node:${version}@${digest}`]);
    await docker("image", "rm", "-f", node.image, "fb-node-image-published-course:1");
    // As uninstalling does.
    for (const image of pulledImages) await docker("image", "rm", image);
    expect(await docker("image", "ls", "--quiet", `${host}/kindest/node`)).toBe("");
  });

  it("is told when it is not there, where it was asked for", async () => {
    const registry = { host, image: `kindest/node@sha256:${"0".repeat(64)}` };
    await expect(ensureNodeImage(builder, { source: "published", registry }, () => {})).rejects.toMatchObject(
      {
        code: "image_failed",
      },
    );
  });

  it("gives way to building where no registry answers", async () => {
    const messages: string[] = [];
    const { cacheDir, journalFile } = builder.deps.paths;
    const report = (event: ProgressEvent) => messages.push(event.message ?? "");
    const registry = { host: "127.0.0.1:9", image: `kindest/node@sha256:${"0".repeat(64)}` };
    const deps = { dockerEnv: builder.dockerEnv, report, cacheDir, journalFile };
    expect(await pullPublishedNode(deps, registry, false)).toBeUndefined();
    expect(messages.at(-1)).toContain("no registry answers");
  });

  it("is not asked for once the node image was built", async () => {
    const steps: string[] = [];
    const registry = { image: `kindest/node@sha256:${"0".repeat(64)}` };
    const node = await ensureNodeImage(builder, { registry }, (event) => steps.push(event.step));
    expect(node).toEqual(await ensureNodeImage(builder, { source: "built" }, () => {}));
    expect(steps).toEqual([]);
  });
});
