import { Buffer } from "node:buffer";
import { afterEach, beforeEach, expect } from "vitest";
import { openHolderLink } from "../../sandboxes/terminal/holder-link.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import type { KnownOutput, TerminalLink } from "../../sandboxes/terminal/terminal-link.ts";
import { poll } from "../poll.ts";
import { type LocalPlace, makeLocalPlace } from "./local-place.ts";

/** The holders of one test, and visits to them. */
export interface HolderVisits {
  readonly place: LocalPlace;
  /** Attaches to the holder of that name, which begins if there is none. */
  to(name: string, known?: KnownOutput, outbox?: InputOutbox): Promise<HolderVisit>;
  /** The process id of the holder, of which there has to be one. */
  onlyHolder(): Promise<number>;
}

/** Has each test of the file begin with a place of its own, and ends what runs there after it. */
export function setUpHolderVisits(): HolderVisits {
  let place: LocalPlace;
  beforeEach(async () => {
    place = await makeLocalPlace();
  });
  afterEach(() => place[Symbol.asyncDispose]());
  return {
    get place() {
      return place;
    },
    to: (name, known, outbox) => HolderVisit.to(place, name, known, outbox),
    async onlyHolder() {
      // A shell that is just being started still looks like its holder.
      await poll(async () => (await place.holders()).length === 1, "one holder");
      const [pid] = await place.holders();
      return pid ?? Number.NaN;
    },
  };
}

/** An attached server that notes what it is told. */
export class HolderVisit {
  link!: TerminalLink;
  text = "";
  end = 0;
  status: number | undefined;
  lost: string | undefined;
  sizes: string[] = [];

  static async to(
    place: LocalPlace,
    name: string,
    known?: KnownOutput,
    outbox = new InputOutbox(),
  ): Promise<HolderVisit> {
    const visit = new HolderVisit();
    const signal = new AbortController().signal;
    visit.link = await openHolderLink(place, { name, cols: 80, rows: 24, known, outbox, signal });
    visit.end = visit.link.from;
    visit.link.begin({
      output: (offset, data) => {
        expect(offset).toBe(visit.end);
        visit.end += data.length;
        visit.text = (visit.text + data.toString()).slice(-100_000);
        visit.link.ack(visit.end);
      },
      resized: (cols, rows) => visit.sizes.push(`${cols}x${rows}`),
      exited: (status) => {
        visit.status = status;
      },
      lost: (error) => {
        visit.lost = error.message;
      },
    });
    return visit;
  }

  type(text: string): Promise<void> {
    return this.link.input(Buffer.from(text));
  }

  async until(text: string, timeoutMs = 20_000): Promise<void> {
    const isThere = poll(() => this.text.includes(text), text, { timeoutMs, pauseMs: 2 });
    await isThere.catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.text.slice(-300))}`);
    });
  }
}
