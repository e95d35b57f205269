import type { ContainerState } from "../../sandboxes/engine/engine.ts";

/** A container that runs, as Docker tells of it. */
export function containerState(name: string, change: Partial<ContainerState> = {}): ContainerState {
  return {
    name,
    id: name,
    running: true,
    exitCode: undefined,
    oomKilled: false,
    startedAt: new Date(),
    labels: {},
    image: "made up",
    addresses: {},
    ...change,
  };
}
