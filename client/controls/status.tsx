import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

/** What a state means to its reader; colour and shape follow from it. */
export type Tone = "ok" | "busy" | "warn" | "bad" | "doubt" | "idle";

const shapes: Record<Tone, IconName> = {
  ok: "circle-check",
  busy: "arc",
  warn: "triangle",
  bad: "octagon",
  doubt: "question",
  idle: "circle",
};

/** The shape of a tone, on its own beside a word. */
export function toneIcon(tone: Tone): IconName {
  return shapes[tone];
}

/** A state as shape, colour and word, so that none of the three carries it alone. */
export function Status({ tone, icon, children }: { tone: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <span className="status" data-tone={tone}>
      <Icon name={icon ?? shapes[tone]} isTurning={tone === "busy" && icon === undefined} />
      <span>{children}</span>
    </span>
  );
}
