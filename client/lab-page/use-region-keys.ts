import { useEffect, useEffectEvent } from "react";

/** What F6 is to a terminal (xterm's sequence). */
const F6_SEQUENCE = "\u001b[17~";

/** A part of the page that F6 goes to. */
export interface Region {
  /** Id of its element. */
  id: string;
  /** Takes the focus; without it, or when it answers false, the element itself does. */
  focus?: () => boolean;
}

/**
 * F6 goes to the next visible region, Shift+F6 to the one before, as in desktop programs; Ctrl+F6 gives F6 to the
 * program in the terminal. Listens before the terminals, which would swallow the key.
 */
export function useRegionKeys(regions: Region[], sendToTerminal: (text: string) => void): void {
  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    if (event.key !== "F6" || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.ctrlKey) sendToTerminal(F6_SEQUENCE);
    else moveFocus(regions, event.shiftKey ? -1 : 1);
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKeyDown(event);
    window.addEventListener("keydown", listener, true);
    return () => window.removeEventListener("keydown", listener, true);
  }, []);
}

function moveFocus(regions: Region[], step: 1 | -1): void {
  const visible = regions.flatMap((region) => {
    const element = document.getElementById(region.id);
    return element?.checkVisibility() ? [{ region, element }] : [];
  });
  const at = visible.findIndex(({ element }) => element.contains(document.activeElement));
  const from = at < 0 && step < 0 ? 0 : at;
  const target = visible[(from + step + visible.length) % visible.length];
  if (!target || target.region.focus?.()) return;
  target.element.focus();
}
