import { request } from "node:http";
import type { Duplex } from "node:stream";
import type { Machine } from "../../../sandboxes/machine/machine.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { failed, type Outcome, passed, say } from "../words.ts";
import { answerFault } from "./judge-probes.ts";
import type { ProbeAnswer } from "./prober.ts";

const PATIENCE_MS = 5_000;
const MAX_BODY_BYTES = 256 * 1024;

/** Asks a web service of the VM from outside of it, once, on a connection of its own. */
export async function askMachine(machine: Machine, port: number, path: string): Promise<ProbeAnswer> {
  const began = performance.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let connection: Duplex | undefined;
  try {
    connection = await machine.connect(port);
    const { status, body } = await exchange(connection, path, signal);
    return { status, body, ms: performance.now() - began };
  } catch (error) {
    return { error: signal.aborted ? "no answer" : wordsOf(error), ms: performance.now() - began };
  } finally {
    connection?.destroy();
  }
}

async function exchange(connection: Duplex, path: string, signal: AbortSignal) {
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    const headers = { host: "machine", connection: "close" };
    // The options' type knows sockets only; a request writes to any duplex stream.
    const createConnection = () => connection as import("node:net").Socket;
    request({ method: "GET", path, headers, createConnection, signal }, resolve).on("error", reject).end();
  });
  let body = "";
  for await (const chunk of response) {
    body += String(chunk);
    if (body.length > MAX_BODY_BYTES) break;
  }
  return { status: response.statusCode, body };
}

function wordsOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ECONNREFUSED") return "connection refused";
  if (code === "ECONNRESET") return "connection closed without an answer";
  return error instanceof Error ? error.message : String(error);
}

export function judgeMachineHttp(check: CheckOf<"machine_http">, answer: ProbeAnswer): Outcome {
  const label = labelOf(check);
  if (answer.status === check.status) return passed(label);
  return failed(label, {
    expected: say(
      `status ${check.status} from port ${check.port}, asked from outside the VM`,
      `从虚拟机外部访问 ${check.port} 端口，返回状态码 ${check.status}`,
    ),
    found: answerFault(answer) ?? say(`status ${answer.status}`, `状态码 ${answer.status}`),
    mayChangeSoon: true,
  });
}
