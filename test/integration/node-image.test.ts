import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { createImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { ensureNodeImage, type NodeImage } from "../../sandboxes/images/node-image.ts";
import { run } from "../../sandboxes/run.ts";
import { probeRegistry } from "../../server/cli/registry.ts";
import { loadSettings } from "../../server/load-settings.ts";
import { poll } from "../poll.ts";
import { ensureRegistryImage } from "../support/registry-image.ts";
import { createNodeCluster, type NodeCluster } from "./node-image-cluster.ts";
import { claim, egressToDnsOnly, policy, storePod, webPod, webService } from "./node-image-manifests.ts";
import { layeredImage, makeProbeTars, probeImage } from "./node-image-probes.ts";

const name = `fb-node-image-${process.pid}`;
let folder: string;
let tars: string[];
let node: NodeImage;
let cluster: NodeCluster;

/** What every node image must do, whichever way it came. */
function describeNodeImage(source: "built" | "published"): void {
  describe(`the ${source} node image`, () => {
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "fb-node-image-"));
      const builder = await createImageBuilder({
        env: process.env,
        paths: hostPaths(process.env),
        report: () => {},
      });
      tars = await makeProbeTars(folder, (await ensureRegistryImage(builder)).tag);
      node = await ensureNodeImage(builder, { source, courseImageTars: tars }, () => {});
      cluster = await createNodeCluster(node, { name, nodes: 2 });
      await cluster.apply(webPod("near", cluster.nodes[0]), webPod("far", cluster.nodes[1]), webService);
      await cluster.kubectl(
        "wait",
        "--for=condition=Ready",
        "pod",
        "--all",
        "--all-namespaces",
        "--timeout=170s",
      );
    }, 45 * 60_000);

    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      if (node)
        await run(["docker", "image", "rm", "-f", node.image, layeredImage, probeImage], {
          timeoutMs: 60_000,
          okExitCodes: [1],
        });
      await rm(folder, { recursive: true, force: true });
    });

    describe("with two nodes", () => {
      it("is made once: asking again makes nothing and gives the same", async () => {
        const builder = await createImageBuilder({
          env: process.env,
          paths: hostPaths(process.env),
          report: () => {},
        });
        const steps: string[] = [];
        const again = await ensureNodeImage(builder, { source, courseImageTars: tars }, (event) =>
          steps.push(event.step),
        );
        expect(again).toEqual(node);
        expect(steps).toEqual([]);
      });

      it("runs the Kubernetes it says, with the kubectl of that version", async () => {
        const { clientVersion, serverVersion } = JSON.parse(await cluster.kubectl("version", "-o", "json"));
        expect(clientVersion.gitVersion).toBe(node.kubernetesVersion);
        expect(serverVersion.gitVersion).toBe(node.kubernetesVersion);
      });

      it("passes the control plane's arguments on", async () => {
        const pod = await cluster.kubectl(
          "-n",
          "kube-system",
          "get",
          "pod",
          `kube-apiserver-${name}-control-plane`,
          "-o",
          "json",
        );
        expect(JSON.parse(pod).spec.containers[0].command).toContain("--v=1");
      });

      it("has the course's images, with all their layers", async () => {
        await cluster.apply(webPod("layered", cluster.nodes[1], layeredImage));
        await cluster.kubectl("wait", "--for=condition=Ready", "pod/layered", "--timeout=170s");
        expect((await cluster.inPod("layered", "cat", "/old")).stdout).toBe("above");
        expect((await cluster.inPod("layered", "cat", "/gone")).exitCode).toBe(1);
        await cluster.kubectl("delete", "pod/layered", "--grace-period=1");
      });

      it("lets pods of different nodes talk to each other by address", async () => {
        expect(await cluster.fetchFrom("near", await cluster.addressOf("far"))).toBe("far");
        expect(await cluster.fetchFrom("far", await cluster.addressOf("near"))).toBe("near");
      });

      it("shows a pod the address of the pod that calls it", async () => {
        const address = await cluster.addressOf("far");
        await cluster.inPod(
          "far",
          "wget",
          "-qO-",
          "-T",
          "5",
          `http://${await cluster.addressOf("near")}:8080/from-far`,
        );
        const told = async () => (await cluster.kubectl("logs", "near")).includes(address);
        await poll(told, "the pod that was called has logged the address");
      });

      it("resolves names and reaches a service on both nodes", async () => {
        for (const pod of ["near", "far"]) {
          const answers = new Set<string>();
          await poll(
            async () => {
              const address = await cluster
                .resolve(pod, "web.default.svc.cluster.local")
                .catch(() => undefined);
              if (address !== undefined) answers.add(await cluster.fetchFrom(pod, address));
              return answers.has("near") && answers.has("far");
            },
            `both pods answering \`${pod}\` behind the service`,
            { timeoutMs: 120_000 },
          );
        }
      });

      it("lets a pod speak to its surroundings as its node", async () => {
        const registry = `${name}-outside`;
        const serve = "mkdir /www; echo outside > /www/index.html; exec busybox httpd -f -v -p 8080 -h /www";
        const flags = ["--detach", "--name", registry, "--network", name, "--entrypoint", "/bin/sh"];
        await run(["docker", "run", ...flags, node.image, "-c", serve], { timeoutMs: 60_000 });
        try {
          const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
          const inspect = async (container: string) =>
            (
              await run(["docker", "inspect", "--format", format, container], { timeoutMs: 30_000 })
            ).stdout.trim();
          const outside = await inspect(registry);
          await poll(
            async () => (await cluster.fetchFrom("far", outside)) === "outside",
            "it answers the pod",
          );
          const address = await inspect(cluster.nodes[1] ?? "");
          await poll(async () => {
            const { stderr, stdout } = await run(["docker", "logs", registry], { timeoutMs: 30_000 });
            return (stdout + stderr).includes(address);
          }, "it has logged the node's address");
        } finally {
          await run(["docker", "rm", "-f", "-v", registry], { timeoutMs: 60_000 });
        }
      });

      it("binds a claim of the default storage class, and keeps what a pod wrote there", async () => {
        await cluster.apply(claim, storePod("writer", "echo kept > /data/file; sleep 3600"));
        await cluster.kubectl("wait", "--for=condition=Ready", "pod/writer", "--timeout=170s");
        expect(
          await cluster.kubectl(
            "get",
            "pvc",
            "data",
            "-o",
            "jsonpath={.spec.storageClassName} {.status.phase}",
          ),
        ).toBe("standard Bound");
        await poll(
          async () => (await cluster.inPod("writer", "cat", "/data/file")).stdout === "kept",
          "the file written",
        );
        await cluster.kubectl("delete", "pod", "writer", "--grace-period=1");
        await cluster.apply(storePod("reader", "sleep 3600"));
        await cluster.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=170s");
        expect((await cluster.inPod("reader", "cat", "/data/file")).stdout).toBe("kept");
        await cluster.kubectl("delete", "pod/reader", "pvc/data", "--grace-period=1");
        await poll(
          async () => (await cluster.kubectl("get", "pv", "-o", "name")) === "",
          "the volume removed",
          {
            timeoutMs: 120_000,
          },
        );
      });

      it("is idle when nothing is asked of it", async () => {
        const used = async () => {
          const { stdout } = await run(
            ["docker", "stats", "--no-stream", "--format", "{{.CPUPerc}}", ...cluster.nodes],
            { timeoutMs: 60_000 },
          );
          return stdout.split("\n").reduce((sum, line) => sum + Number.parseFloat(line), 0);
        };
        // Percent of one core, of both nodes together.
        await poll(async () => (await used()) < 40, "less than 0.4 cores used", {
          timeoutMs: 120_000,
          pauseMs: 1_000,
        });
      });
    });

    describe("network policies", () => {
      it("deny what they deny, on the same node's pods and on another's, and nothing else", async () => {
        await cluster.apply(
          policy("only-near", { app: "web", name: "far" }, { name: "near" }),
          webPod("stranger", cluster.nodes[1]),
        );
        await cluster.kubectl("wait", "--for=condition=Ready", "pod/stranger", "--timeout=170s");
        const far = await cluster.addressOf("far");
        await poll(async () => !(await cluster.canFetch("stranger", far)), "the policy in force");
        expect(await cluster.fetchFrom("near", far)).toBe("far");
        expect(await cluster.fetchFrom("stranger", await cluster.addressOf("near"))).toBe("near");
        await cluster.kubectl("delete", "networkpolicy", "only-near");
        await poll(async () => await cluster.canFetch("stranger", far), "the policy gone");
      });

      it("hold back a pod's own connections, but not its name look-ups where they are allowed", async () => {
        await cluster.apply(egressToDnsOnly);
        const near = await cluster.addressOf("near");
        await poll(async () => !(await cluster.canFetch("far", near)), "the policy in force");
        const lookUp = () => cluster.resolve("far", "web.default.svc.cluster.local").catch(String);
        await poll(async () => /^10\.96\./.test(await lookUp()), "a name is looked up");
        expect(await cluster.canFetch("stranger", near)).toBe(true);
        await cluster.kubectl("delete", "networkpolicy", "dns-only");
        await poll(async () => await cluster.canFetch("far", near), "the policy gone");
      });

      it("hold again after the node was stopped and started", async () => {
        await cluster.apply(policy("only-near", { app: "web", name: "far" }, { name: "near" }));
        const before = await cluster.addressOf("far");
        await poll(async () => !(await cluster.canFetch("stranger", before)), "the policy in force");
        await cluster.restart(cluster.nodes[1] ?? "");
        const far = await cluster.addressOf("far");
        await poll(
          async () => !(await cluster.canFetch("stranger", far)) && (await cluster.canFetch("near", far)),
          "policy and routes back",
          {
            timeoutMs: 60_000,
          },
        );
        await cluster.kubectl("delete", "networkpolicy", "only-near");
        await poll(async () => await cluster.canFetch("stranger", far), "the policy gone");
      });
    });

    describe("node containers stopped and started", () => {
      it("come back Ready with their pods, routes and names", async () => {
        await cluster.restart(...cluster.nodes);
        // Until a kubelet has looked at them, pods pass for Ready as they were before, those of the cluster's DNS too.
        const service = async () => {
          const address = await cluster
            .resolve("far", "web.default.svc.cluster.local")
            .catch(() => undefined);
          return address === undefined ? "" : await cluster.fetchFrom("near", address);
        };
        const isBack = async () =>
          ["near", "far", "stranger"].includes(await service()) &&
          (await cluster.fetchFrom("near", await cluster.addressOf("far"))) === "far" &&
          (await cluster.fetchFrom("far", await cluster.addressOf("near"))) === "near";
        await poll(isBack, "the Service by its name, and both pods", { timeoutMs: 120_000, pauseMs: 500 });
      });
    });
  });
}

describeNodeImage("built");
const canPull = (await probeRegistry(await loadSettings(process.env))) !== undefined;
if (canPull) describeNodeImage("published");
else it("the published node image", (context) => context.skip("no container registry answers here"));
