import type { TerminalHandle } from "../../../client/terminal/terminal.tsx";
import type { TerminalSocket } from "../../../client/terminal/terminal-session.ts";

declare global {
  interface Window {
    /** What tests and measurements reach for in the page. */
    handle: TerminalHandle | null;
    socket: TerminalSocket;
    /** What they put there. */
    digest?: Promise<ArrayBuffer>;
    states?: string[];
    /** What the server has sent of the shell. */
    gotten?: string;
    /** When the rows were drawn. */
    drawn?: number[];
    /** Milliseconds from the loss of the socket until the screen is back. */
    reconnected?: Promise<number>;
    seen?: { text: string };
    typeTtyd?: (text: string) => void;
    onTtyd?: () => void;
    received?: { bytes: number; begun: number; ended: number; text: string };
    /** Bytes drawn since `begin`, and at which rate in MB/s. */
    flood?: { begin(): void; drawn(): number; rate(): number };
  }
}
