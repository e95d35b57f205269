import { type IncomingMessage, request } from "node:http";
import { type RequestOptions, request as secureRequest } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { LabError } from "../../../sandboxes/errors.ts";
import { linesOf } from "../lines.ts";

/** An object, which a watch tells in one line, takes 1.5 MiB in etcd at most, and in JSON several times that. */
const LINE_LIMIT_BYTES = 8 * 1024 * 1024;

export interface ApiAnswer {
  status: number;
  body: string;
}

/** The bare API server, for what the client's typed calls don't have: health, and proxies that stream. */
export class KubeApi {
  readonly #config: KubeConfig;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  /** @throws LabError `check_errored` when the API server gives no answer in time. */
  async get(path: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<ApiAnswer> {
    const limit = AbortSignal.timeout(options.timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    try {
      const response = await this.#send(path, signal);
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
    } catch (error) {
      throw new LabError("check_errored", "the Kubernetes API does not answer", { cause: error });
    }
  }

  /**
   * Lines of an answer that goes on until the signal aborts or the connection ends.
   * @throws LabError `check_errored` when the answer is no success or a line has no end.
   */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const response = await this.#send(path, signal);
    if (response.statusCode !== 200) {
      response.resume();
      throw new LabError("check_errored", `the Kubernetes API answered ${response.statusCode}`);
    }
    yield* linesOf(response, LINE_LIMIT_BYTES);
  }

  async #send(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const server = this.#config.getCurrentCluster()?.server ?? "";
    const options: RequestOptions = { method: "GET", signal };
    await this.#config.applyToHTTPSOptions(options);
    const send = server.startsWith("https:") ? secureRequest : request;
    return await new Promise((resolve, reject) => {
      send(new URL(path, server), options, resolve).on("error", reject).end();
    });
  }
}
