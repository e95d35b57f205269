import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Place } from "../../../sandboxes/place.ts";
import { linesOf } from "../lines.ts";

/** Kinds of things in the VM that checks look at; an event says that one of them may have changed. */
export type VmTopic = "units" | "files" | "firewall" | "blocks" | "mounts" | "space";

export interface GuestAgentOptions {
  place: () => Place | undefined;
  /** Files and folders, and file systems, that the lab's checks look at. */
  files: readonly string[];
  spaces: readonly string[];
  onEvent: (topic: VmTopic, what: string) => void;
  /** The agent listens again after it was away: anything may have changed meanwhile. */
  onReady: () => void;
  /** The agent does not listen any more: the VM went off or starts anew, or the connection broke. */
  onLost: () => void;
}

const SCRIPT = readFileSync(fileURLToPath(new URL("guest-agent.py", import.meta.url)));
/** Reads the program from standard input, so that it is in no file of the VM and its output has no prompt in it. */
const LOADER = [
  "import os, sys",
  "left, code = int(sys.argv.pop(1)), b''",
  "while left > len(code): code += os.read(0, left - len(code)) or sys.exit(1)",
  "exec(code)",
].join("\n");
/** A line of the agent is a topic and a name; the VM's root may have put another program in its place. */
const LINE_LIMIT_BYTES = 64 * 1024;
const BACKOFF_MS = { first: 1_000, longest: 15_000 };

const TOPICS = new Set<string>(["units", "files", "firewall", "blocks", "mounts", "space"]);

/**
 * Keeps one small process in the VM that tells of changes, and starts it again after reboots and broken connections.
 * What it tells is a hint to look, never a result: the VM belongs to the learner.
 */
export function runGuestAgent(options: GuestAgentOptions, signal: AbortSignal): Promise<void> {
  return new GuestAgent(options, signal).run();
}

class GuestAgent {
  readonly #options: GuestAgentOptions;
  readonly #signal: AbortSignal;
  #backoffMs = BACKOFF_MS.first;
  #isListening = false;

  constructor(options: GuestAgentOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      await this.#listenOnce().catch(() => {});
      if (this.#isListening && !this.#signal.aborted) this.#options.onLost();
      this.#isListening = false;
      await setTimeout(this.#backoffMs, undefined, { signal: this.#signal }).catch(() => {});
      this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS.longest);
    }
  }

  /** Ends, by return or error, when the connection does. */
  async #listenOnce(): Promise<void> {
    const place = this.#options.place();
    if (!place) return;
    const { files, spaces } = this.#options;
    const argv = [
      "/usr/bin/python3",
      "-I",
      "-u",
      "-c",
      LOADER,
      String(SCRIPT.length),
      JSON.stringify({ files, spaces }),
    ];
    const stream = await place.stream(argv, { user: "root", title: "the checks' agent" });
    const stop = () => stream.destroy();
    // Whoever reads below hears of an error; one that comes later concerns nobody.
    stream.on("error", () => {});
    this.#signal.addEventListener("abort", stop, { once: true });
    try {
      if (this.#signal.aborted) return;
      stream.write(SCRIPT);
      for await (const line of linesOf(stream, LINE_LIMIT_BYTES)) this.#take(line);
    } finally {
      this.#signal.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  #take(line: string): void {
    const said = parseEvent(line);
    if (said?.event === "ready") {
      this.#backoffMs = BACKOFF_MS.first;
      this.#isListening = true;
      this.#options.onReady();
    } else if (said && TOPICS.has(said.event)) this.#options.onEvent(said.event as VmTopic, said.what);
  }
}

const AgentEvent = z.object({ event: z.string(), what: z.string() });

/** One line of the agent; anything else is ignored. */
export function parseEvent(line: string): { event: string; what: string } | undefined {
  try {
    return AgentEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
