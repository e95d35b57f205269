import type { Check } from "../checks/check.ts";
import type { Language, TextBlock } from "../protocol/views.ts";

/** A text in every language the product speaks. */
export type Localized = Record<Language, string>;

/** The two halves of a sandbox. */
export const WORLD_NAMES = ["vm", "cluster"] as const;
export type WorldName = (typeof WORLD_NAMES)[number];

/** Commands for one of the terminals, as a learner would type them. */
export interface Commands {
  run: WorldName;
  commands: string;
}

/** A wrong way that looks like a right one: what it leaves behind must not pass. */
export interface Shortcut {
  name: string;
  steps: Commands[];
  /** Brings the sandbox back to where the task started. */
  undo: Commands[];
  /** Part of what the learner must be told, in English. */
  says: string;
}

export interface Task {
  id: string;
  title: Localized;
  world: WorldName | "both";
  points: number;
  /** Ids of the tasks that come first. */
  after: string[];
  checks: Check[];
  /** Markdown rendered to HTML, mildest first; the last shows the solution. */
  hints: Localized[];
  /** Commands that solve it, in the terminal they are typed into; tests and "show me" use them. */
  solution: Commands[];
  shortcuts: Shortcut[];
}

/**
 * Brings one world of a new sandbox to the lab's start: a script run as root in the VM, or objects applied as cluster
 * admin. Those of one world run in their order; worlds don't wait for each other.
 */
export type Setup =
  | { on: "vm"; name: string; script: string }
  | { on: "cluster"; name: string; manifests: string };

export interface Lab {
  id: string;
  title: Localized;
  summary: Localized;
  minutes: number;
  needs: { nodes: number; networkPolicy: boolean; placement?: "beside" | "nested" };
  /** Web services to offer in the page. */
  webServices: { name: Localized; world: WorldName; port: number }[];
  setup: Setup[];
  tasks: Task[];
  text: Record<Language, TextBlock[]>;
}
