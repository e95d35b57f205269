import type { Duplex } from "node:stream";
import type { ContainerState } from "../engine/engine.ts";
import { LabError, toLabError } from "../errors.ts";
import type { Place } from "../place.ts";
import { type SandboxReport, step } from "../progress.ts";
import type { Trouble } from "../trouble.ts";
import type { Cluster, ClusterInspection, ClusterSpec, ClusterState, DiskUse } from "./cluster.ts";
import { waitForNodes } from "./cluster-api.ts";
import { measureDisk } from "./disk-use.ts";
import { askApi, broken, nodeContainers, troubleOfContainers } from "./inspect-cluster.ts";
import { adminKubeconfig } from "./kind-command.ts";
import { serverOf, withServer } from "./kubeconfig.ts";
import { mintLearnerKubeconfig } from "./learner-access.ts";
import { clusterName, controlPlaneName, toolboxName } from "./names.ts";
import { tellNodeNames } from "./nested-guest.ts";
import { addressOf, isGuestOff, type NodeHost } from "./node-host.ts";
import { PATIENCE } from "./patience.ts";
import { keepKubeconfig, keptKubeconfig, startToolbox } from "./toolbox.ts";

/**
 * A cluster made by kind. It keeps nothing but the administrator's kubeconfig, which it reads again when asked anew, and
 * why it was halted.
 */
export class KindCluster implements Cluster {
  readonly sandboxId: string;
  readonly place: Place;
  readonly #spec: ClusterSpec;
  readonly #host: NodeHost;
  #admin: string | undefined;
  #halted: Extract<ClusterState, { phase: "broken" }> | undefined;
  readonly #halt = new AbortController();
  /** The nodes whose names the VM knows. */
  #toldGuest: string | undefined;
  /** It is told one after the other, so that the last is what it goes on knowing. */
  #telling: Promise<void> = Promise.resolve();

  constructor(spec: ClusterSpec, host: NodeHost, place: Place) {
    this.sandboxId = spec.sandboxId;
    this.place = place;
    this.#spec = spec;
    this.#host = host;
  }

  async inspect(): Promise<ClusterInspection> {
    const { nodes, enforcesNetworkPolicy } = this.#spec;
    if (await isGuestOff(this.#spec)) {
      const state = broken("vm_off", [], "the VM is off, and the cluster with it", "power the VM on");
      return { state, nodes: [], enforcesNetworkPolicy };
    }
    const [containers, toolbox] = await Promise.all([this.#nodes(), this.#toolboxTrouble()]);
    const trouble = this.#halted ?? troubleOfContainers(containers, nodes);
    if (trouble) {
      const list = containers.map(({ name }) => ({ name, ready: false }));
      return { state: trouble, nodes: list, enforcesNetworkPolicy };
    }
    const patience = PATIENCE[this.#spec.placement];
    const answer = await askApi(await this.kubeconfig("admin"), containers, patience);
    const state = answer.state.phase === "ready" && toolbox ? toolbox : answer.state;
    return { state, nodes: answer.nodes, enforcesNetworkPolicy };
  }

  /** The node containers; a VM around them is told their names whenever a node was started, and so the VM may have been. */
  async #nodes(): Promise<ContainerState[]> {
    const containers = await nodeContainers(this.#host.engine, this.sandboxId);
    if (this.#spec.placement === "beside") return containers;
    const running = containers.filter((one) => one.running);
    const known = running.map((one) => `${one.id} ${addressOf(one)} ${one.startedAt?.getTime()}`).join("\n");
    if (known === this.#toldGuest) return containers;
    this.#toldGuest = known;
    // No look waits for a slow VM: what the nodes are like is worth knowing all the same.
    this.#telling = this.#telling
      .then(() => tellNodeNames(this.place, running))
      .catch(() => {
        // The next look tries again, unless there are others to tell of by now.
        if (this.#toldGuest === known) this.#toldGuest = undefined;
      });
    return containers;
  }

  async #toolboxTrouble() {
    if (this.#spec.placement === "nested") return undefined;
    const state = await this.#host.engine.inspectContainer(toolboxName(this.sandboxId));
    if (state?.running) return undefined;
    return state
      ? broken("shell_stopped", [], "the shell's container stopped", "start what has stopped")
      : broken("shell_gone", [], "the shell's container is gone", "start what has stopped");
  }

  /** The administrator's, with the address that the Docker host of the nodes published. */
  async publishedKubeconfig(): Promise<string> {
    const deps = { binary: this.#spec.kindBinary, env: this.#host.env };
    return await adminKubeconfig(deps, clusterName(this.sandboxId));
  }

  async kubeconfig(subject: "admin" | "learner"): Promise<string> {
    if (!this.#admin) {
      const published = await this.publishedKubeconfig();
      this.#admin = withServer(published, this.#host.apiServer(serverOf(published)));
    }
    if (subject === "admin" || this.#spec.placement === "nested") return this.#admin;
    const kept = await keptKubeconfig(this.place);
    if (!kept)
      throw new LabError("cluster_failed", "the learner's kubeconfig is not there", {
        hint: "start what has stopped",
      });
    return withServer(kept, serverOf(this.#admin).origin);
  }

  async connect(port: number): Promise<Duplex> {
    return await this.#host.connect(controlPlaneName(this.sandboxId), port);
  }

  async repair(report: SandboxReport, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#halt.signal]);
    try {
      if (!this.#halted) await this.#start(report, either);
    } catch (error) {
      // What was halted meanwhile has a better reason than that its nodes are not there.
      if (!this.#halted) throw error;
    }
    if (this.#halted) throw new LabError("disk_full", this.#halted.reason, { hint: this.#halted.remedy });
  }

  async #start(report: SandboxReport, signal: AbortSignal): Promise<void> {
    const { engine } = this.#host;
    const { placement, nodes: count } = this.#spec;
    await step(report, "start nodes", async () => {
      const containers = await nodeContainers(engine, this.sandboxId);
      if (containers.length < count)
        throw new LabError("cluster_failed", `${count - containers.length} of ${count} nodes is gone`, {
          hint: "its data is lost with it: reset the lab to get a new cluster",
        });
      // The control plane first: the others look for it when they start.
      for (const { name, running } of containers) {
        // One that was halted meanwhile is not to run again.
        signal.throwIfAborted();
        if (!running) await engine.startContainer(name);
      }
      signal.throwIfAborted();
      if (placement === "beside") await this.#repairToolbox();
    });
    await step(report, "nodes ready", async () => {
      this.#admin = undefined;
      const containers = await this.#nodes();
      const wait = { containers, patience: PATIENCE[placement], signal };
      await waitForNodes(await this.kubeconfig("admin"), wait);
      await this.#telling;
    });
  }

  async #repairToolbox(): Promise<void> {
    const { engine } = this.#host;
    const name = toolboxName(this.sandboxId);
    const state = await engine.inspectContainer(name);
    if (state?.running) return;
    if (state) return await engine.startContainer(name);
    const kubeconfig = await mintLearnerKubeconfig({ engine }, this.sandboxId);
    await startToolbox({ engine }, this.#spec);
    try {
      await keepKubeconfig(this.place, kubeconfig);
    } catch (error) {
      // One without its kubeconfig would look whole.
      await engine.removeContainer(name);
      throw error;
    }
  }

  async diskUse(signal: AbortSignal): Promise<DiskUse[]> {
    if (this.#spec.placement === "nested") return [];
    return await measureDisk({ engine: this.#host.engine }, this.sandboxId, signal);
  }

  async halt(trouble: Trouble): Promise<void> {
    const { engine } = this.#host;
    this.#halted = { phase: "broken", ...trouble };
    this.#halt.abort();
    const nodes = await nodeContainers(engine, this.sandboxId);
    const names = [...nodes.map(({ name }) => name), toolboxName(this.sandboxId)];
    // Nothing in them is used again, and what they still write in the meantime is too much already.
    await Promise.all(names.map((name) => engine.stopContainer(name, 0)));
  }

  async release(): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }

  async destroy(): Promise<void> {
    await removeCluster(this.#host, this.#spec);
    await this.release();
  }
}

/** Removes nodes and toolbox; what is not there is fine. A VM that does not answer takes its nodes with it. */
export async function removeCluster(host: NodeHost, spec: ClusterSpec): Promise<void> {
  try {
    const nodes = await nodeContainers(host.engine, spec.sandboxId);
    const names = nodes.map(({ name }) => name);
    if (spec.placement === "beside") names.push(toolboxName(spec.sandboxId));
    await Promise.all(names.map((name) => host.engine.removeContainer(name)));
  } catch (error) {
    if (spec.placement === "beside" || toLabError(error).code !== "docker_unavailable") throw error;
  }
}
