import type { Terminal } from "@xterm/xterm";

/** Keys that are the page's, as terminals on a desktop have them; every other key is the program's. */
export interface PageKeys {
  openSearch(): void;
}

/**
 * Ctrl+Shift+C and Ctrl+Insert copy, Ctrl+Shift+V and Shift+Insert paste, Ctrl+Shift+F searches. F6 is let through to
 * the page: it is the way out of the terminal by keyboard. A selection made by mouse is copied at once.
 */
export function attachPageKeys(terminal: Terminal, keys: PageKeys): void {
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key === "F6") return false;
    const isShifted = event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey;
    const isCopy = (isShifted && event.code === "KeyC") || (event.ctrlKey && event.key === "Insert");
    const isPaste = (isShifted && event.code === "KeyV") || (event.shiftKey && event.key === "Insert");
    const isSearch = isShifted && event.code === "KeyF";
    // The browser's own paste brings the text without asking for a permission.
    if (isPaste) return false;
    if (!isCopy && !isSearch) return true;
    event.preventDefault();
    if (event.type === "keydown") {
      if (isCopy) copySelection(terminal);
      else keys.openSearch();
    }
    return false;
  });
  terminal.element?.addEventListener("mouseup", () => copySelection(terminal));
}

function copySelection(terminal: Terminal): void {
  if (!terminal.hasSelection()) return;
  const written = navigator.clipboard?.writeText(terminal.getSelection());
  // Over plain HTTP there is no clipboard to write to; then xterm.js answers the browser's own copy.
  if (written) void written.catch(() => document.execCommand("copy"));
  else document.execCommand("copy");
}
