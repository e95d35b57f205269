import type { TerminalLink } from "../../sandboxes/terminal/terminal-link.ts";
import { SCROLLBACK_LINES } from "../protocol/socket.ts";
import type { Screen } from "./screen.ts";

/** Half of what the holder keeps, so that nothing it still needs is dropped while the snapshot is on its way. */
const AT_MOST_BYTES = 1024 * 1024;
/** Less is quicker played again than drawn. */
const AT_LEAST_BYTES = 256 * 1024;
const QUIET_MS = 1_000;
/** In a flood older lines are about to scroll out anyway, and drawing all of them would slow it down. */
const FLOOD_SCROLLBACK_LINES = 1_000;

/** Leaves the screen with the shell now and then, so that a new server finds it: seldom, or when the output pauses. */
export class SnapshotKeeper {
  #keptAt = 0;
  #isPartial = false;
  #quiet: NodeJS.Timeout | undefined;
  readonly #roomBytes: () => number;

  /** `roomBytes`: how large a snapshot may be now. */
  constructor(roomBytes: () => number) {
    this.#roomBytes = roomBytes;
  }

  startFrom(offset: number): void {
    this.#keptAt = offset;
    this.#isPartial = false;
  }

  /** Call when the screen has drawn something. */
  drawn(screen: Screen, link: TerminalLink): void {
    const since = screen.offset - this.#keptAt;
    if (
      since >= AT_MOST_BYTES &&
      link.keep(() => screen.snapshot(FLOOD_SCROLLBACK_LINES, this.#roomBytes()))
    ) {
      this.#keptAt = screen.offset;
      this.#isPartial = true;
    }
    if (this.#quiet) this.#quiet.refresh();
    else if (this.#isPartial || since >= AT_LEAST_BYTES)
      this.#quiet = setTimeout(() => this.#keepWhole(screen, link), QUIET_MS).unref();
  }

  stop(): void {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
  }

  #keepWhole(screen: Screen, link: TerminalLink): void {
    this.#quiet = undefined;
    screen.whenDrawn(() => {
      if (!link.keep(() => screen.snapshot(SCROLLBACK_LINES, this.#roomBytes()))) return;
      this.#keptAt = screen.offset;
      this.#isPartial = false;
    });
  }
}
