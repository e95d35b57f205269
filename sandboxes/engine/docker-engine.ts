import type { Duplex, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import Docker from "dockerode";
import { z } from "zod";
import { LabError } from "../errors.ts";
import { containerConfig, limitsConfig, volumeOwnerLabel } from "./container-config.ts";
import { dockerCall, dockerStatus, toEngineError } from "./docker-errors.ts";
import { openExec, runExec } from "./docker-exec.ts";
import { UsageMeter } from "./docker-usage.ts";
import type {
  ContainerSpec,
  ContainerState,
  Engine,
  EngineEvent,
  EngineInfo,
  ExecOptions,
  ExecResult,
  Limits,
  NetworkSpec,
} from "./engine.ts";
import { streamLines } from "./stream-lines.ts";

const callTimeoutMs = 60_000;
/** Starting and removing containers queues behind the host's disk. */
const slowCallTimeoutMs = 180_000;
const eventActions = ["create", "start", "die", "oom", "kill", "stop", "pause", "unpause", "destroy"];

export interface DockerEngineDeps {
  /** As in `DOCKER_HOST`: `unix:///…`, `tcp://host:port`, `ssh://…`. The environment's where absent. */
  dockerHost?: string;
}

/**
 * Containers at one Docker endpoint, API 1.41 (Docker 20.10) and newer. Holds no connection between calls, so that a
 * Docker that comes back is used again by the next call.
 */
export class DockerEngine implements Engine {
  readonly #docker: Docker;
  readonly #usage: UsageMeter;
  readonly #streams = new Set<Duplex>();

  constructor(deps: DockerEngineDeps = {}) {
    this.#docker = new Docker(dockerOptions(deps.dockerHost));
    this.#usage = new UsageMeter(this.#docker);
  }

  async info(): Promise<EngineInfo> {
    const info = await dockerCall("ask Docker about itself", callTimeoutMs, () => this.#docker.info());
    return {
      version: info.ServerVersion,
      cpus: info.NCPU,
      memoryMib: Math.floor(info.MemTotal / (1024 * 1024)),
      cgroupVersion: info.CgroupVersion === "2" ? 2 : 1,
      dataRoot: info.DockerRootDir,
    };
  }

  async createNetwork(spec: NetworkSpec): Promise<void> {
    await dockerCall(`create network \`${spec.name}\``, callTimeoutMs, (abortSignal) =>
      this.#docker.createNetwork({
        Name: spec.name,
        CheckDuplicate: true,
        Driver: "bridge",
        Labels: spec.labels,
        IPAM: { Driver: "default", Config: [{ Subnet: spec.subnet }] },
        Options: { "com.docker.network.bridge.name": spec.bridge },
        abortSignal,
      }),
    );
  }

  async removeNetwork(name: string): Promise<void> {
    await dockerCall(`remove network \`${name}\``, callTimeoutMs, (abortSignal) =>
      unlessStatus([404], () => this.#docker.getNetwork(name).remove({ abortSignal })),
    );
  }

  async listNetworks(labels: Record<string, string>) {
    const found = await dockerCall("list networks", callTimeoutMs, (abortSignal) =>
      this.#docker.listNetworks({ filters: JSON.stringify({ label: labelFilter(labels) }), abortSignal }),
    );
    return found.map((network) => ({
      name: network.Name,
      subnet: network.IPAM?.Config?.[0]?.Subnet ?? "",
      labels: network.Labels ?? {},
    }));
  }

  async runContainer(spec: ContainerSpec): Promise<ContainerState> {
    await dockerCall(`create container \`${spec.name}\``, slowCallTimeoutMs, (abortSignal) =>
      this.#docker.createContainer({ ...containerConfig(spec), abortSignal }),
    );
    try {
      await this.startContainer(spec.name);
    } catch (error) {
      // What went wrong first is what the caller needs to hear.
      await this.removeContainer(spec.name).catch(() => {});
      throw error;
    }
    const state = await this.inspectContainer(spec.name);
    if (state) return state;
    throw new LabError("not_found", `container \`${spec.name}\` was removed while it started`);
  }

  async startContainer(name: string): Promise<void> {
    await dockerCall(`start container \`${name}\``, slowCallTimeoutMs, (abortSignal) =>
      unlessStatus([304], () => this.#docker.getContainer(name).start({ abortSignal })),
    );
  }

  async stopContainer(name: string, graceMs: number): Promise<void> {
    const seconds = Math.ceil(graceMs / 1000);
    await dockerCall(`stop container \`${name}\``, slowCallTimeoutMs + graceMs, (abortSignal) =>
      unlessStatus([304, 404], () => this.#docker.getContainer(name).stop({ t: seconds, abortSignal })),
    );
  }

  async removeContainer(name: string): Promise<void> {
    await dockerCall(`remove container \`${name}\``, slowCallTimeoutMs, async (abortSignal) => {
      try {
        await this.#docker.getContainer(name).remove({ force: true, v: true, abortSignal });
      } catch (error) {
        if (dockerStatus(error) === 404) return;
        if (dockerStatus(error) !== 409) throw error;
        // Somebody, a server that was killed for one, is removing it already.
        while (await this.inspectContainer(name)) await delay(100, undefined, { signal: abortSignal });
      }
    });
    this.#usage.forget(name);
    const filters = JSON.stringify({ label: [`${volumeOwnerLabel}=${name}`] });
    await dockerCall(`remove the volumes of \`${name}\``, slowCallTimeoutMs, async (abortSignal) => {
      const { Volumes: volumes } = await this.#docker.listVolumes({ filters, abortSignal });
      for (const { Name: volume } of volumes ?? [])
        await unlessStatus([404], () => this.#docker.getVolume(volume).remove({ abortSignal }));
    });
  }

  async inspectContainer(name: string): Promise<ContainerState | undefined> {
    const found = await dockerCall(`look at container \`${name}\``, callTimeoutMs, (abortSignal) =>
      unlessStatus([404], () => this.#docker.getContainer(name).inspect({ abortSignal })),
    );
    return found && containerState(found);
  }

  async listContainers(labels: Record<string, string>): Promise<ContainerState[]> {
    const found = await dockerCall("list containers", callTimeoutMs, (abortSignal) =>
      this.#docker.listContainers({
        all: true,
        filters: JSON.stringify({ label: labelFilter(labels) }),
        abortSignal,
      }),
    );
    const states = await Promise.all(found.map((container) => this.inspectContainer(container.Id)));
    return states.filter((state) => state !== undefined);
  }

  async limitContainer(name: string, limits: Limits): Promise<void> {
    await dockerCall(`limit container \`${name}\``, callTimeoutMs, (abortSignal) =>
      this.#docker.getContainer(name).update({ ...limitsConfig(limits), abortSignal }),
    );
  }

  async exec(name: string, argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    return await runExec(this.#docker, name, argv, options);
  }

  async stream(
    name: string,
    argv: readonly string[],
    options: { user?: string; title?: string | undefined } = {},
  ): Promise<Duplex> {
    const stream = await openExec(this.#docker, name, argv, {
      user: options.user,
      stderrLimit: 8 * 1024,
      failOnExit: true,
    });
    this.#streams.add(stream);
    stream.once("close", () => this.#streams.delete(stream));
    return stream;
  }

  async usage(name: string): Promise<{ memoryMib: number; cpus: number }> {
    return await dockerCall(`measure container \`${name}\``, callTimeoutMs, (abortSignal) =>
      this.#usage.measure(name, abortSignal),
    );
  }

  async heldMib(name: string): Promise<number> {
    return await dockerCall(`measure the memory of \`${name}\``, callTimeoutMs, (abortSignal) =>
      this.#usage.heldMib(name, abortSignal),
    );
  }

  async writtenMib(name: string): Promise<number> {
    // Dockerode's types know neither the question nor the answer.
    const question = (abortSignal: AbortSignal): object => ({ size: true, abortSignal });
    const found = await dockerCall(`measure what \`${name}\` has written`, slowCallTimeoutMs, (abortSignal) =>
      unlessStatus([404], () => this.#docker.getContainer(name).inspect(question(abortSignal))),
    );
    return Measured.parse(found ?? {}).SizeRw / (1024 * 1024);
  }

  async *events(labels: Record<string, string>, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const filters = { type: ["container"], event: eventActions, label: labelFilter(labels) };
    const source = (await dockerCall("follow Docker's events", callTimeoutMs, (abortSignal) =>
      this.#docker.getEvents({ filters: JSON.stringify(filters), abortSignal }),
    )) as Readable;
    const stop = () => source.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) return;
      for await (const line of streamLines(source)) {
        const event = readEvent(line);
        if (event) yield event;
      }
      if (!signal.aborted) throw new Error("socket hang up");
    } catch (error) {
      throw toEngineError(error, "follow Docker's events");
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  /** Ends every open stream and waits until its process is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#streams].map(
        (stream) =>
          new Promise<void>((resolve) => {
            stream.once("close", resolve);
            stream.destroy();
          }),
      ),
    );
  }
}

function dockerOptions(dockerHost: string | undefined): Docker.DockerOptions | undefined {
  if (dockerHost === undefined) return undefined;
  // docker-modem takes what is left out here from the environment's DOCKER_HOST, and a host before a socket.
  if (dockerHost.startsWith("unix://")) return { socketPath: dockerHost.slice("unix://".length), host: "" };
  // It reads TLS files and ssh settings from the environment as the docker command does.
  const { protocol, hostname, port, username } = new URL(dockerHost);
  const tcp = process.env.DOCKER_TLS_VERIFY === "1" || port === "2376" ? "https" : "http";
  const named = protocol === "tcp:" ? tcp : (protocol.replace(":", "") as "http" | "https" | "ssh");
  return { protocol: named, host: hostname, port, ...(username ? { username } : {}) };
}

function labelFilter(labels: Record<string, string>): string[] {
  return Object.entries(labels).map(([key, value]) => (value === "" ? key : `${key}=${value}`));
}

async function unlessStatus<T>(fine: readonly number[], call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (fine.includes(dockerStatus(error) ?? 0)) return undefined;
    throw error;
  }
}

function containerState(info: Docker.ContainerInspectInfo): ContainerState {
  const startedAt = new Date(info.State.StartedAt);
  const networks = Object.entries(info.NetworkSettings.Networks ?? {});
  return {
    name: info.Name.replace(/^\//, ""),
    id: info.Id,
    running: info.State.Running,
    exitCode: info.State.Running ? undefined : info.State.ExitCode,
    oomKilled: info.State.OOMKilled,
    // Docker writes year 1 for a container that was never started.
    startedAt: startedAt.getUTCFullYear() > 1 ? startedAt : undefined,
    labels: info.Config.Labels ?? {},
    image: info.Config.Image,
    addresses: Object.fromEntries(
      networks.flatMap(([name, at]) => (at.IPAddress ? [[name, at.IPAddress]] : [])),
    ),
  };
}

/** Absent for one that has written nothing. */
const Measured = z.object({ SizeRw: z.number().default(0) });

/** What is used of it; see "Monitor events" in the API reference. */
const DockerEvent = z.object({
  Action: z.string(),
  Actor: z.object({ Attributes: z.record(z.string(), z.string()) }),
});

function readEvent(line: string): EngineEvent | undefined {
  try {
    const { Action: action, Actor: actor } = DockerEvent.parse(JSON.parse(line));
    const { name, ...labels } = actor.Attributes;
    return { container: name ?? "", action, labels };
  } catch {
    // A line cut short by a Docker that went away; the end of the stream says so.
    return undefined;
  }
}
