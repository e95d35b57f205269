import { setTimeout as delay } from "node:timers/promises";
import type { Engine, EngineEvent } from "../engine/engine.ts";
import { type LabError, toLabError } from "../errors.ts";

const RETRY_MS = 2_000;

export interface DockerListener {
  onEvent(event: EngineEvent): void;
  /** Its events can't be read any more: what was known of containers may be wrong. */
  onAway(error: LabError): void;
  /** It answers again. */
  onBack(): void;
}

/** Follows what Docker tells, through its going away and coming back, until the signal aborts. */
export async function followDocker(
  engine: Pick<Engine, "events" | "info">,
  listener: DockerListener,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of engine.events({}, signal)) listener.onEvent(event);
    } catch (error) {
      if (!signal.aborted) listener.onAway(toLabError(error));
    }
    await untilItAnswers(engine, signal);
    if (!signal.aborted) listener.onBack();
  }
}

async function untilItAnswers(engine: Pick<Engine, "info">, signal: AbortSignal): Promise<void> {
  for (let answers = false; !answers && !signal.aborted; ) {
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    answers = await engine.info().then(
      () => true,
      () => false,
    );
  }
}
