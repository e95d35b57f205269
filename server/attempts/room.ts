import type { SandboxService } from "../../sandboxes/sandbox.ts";
import type { Language, RoomView } from "../protocol/views.ts";
import type { Store } from "../store/store.ts";
import type { Attempts } from "./attempts.ts";

export interface RoomDeps {
  attempts: Attempts;
  sandboxes: SandboxService;
  store: Store;
  joinCode: string;
  joinUrl(): string;
}

/** What the instructor sees: everybody who is at a lab now, and how many more fit. */
export async function roomView(deps: RoomDeps, language: Language): Promise<RoomView> {
  const { attempts, sandboxes, store, joinCode, joinUrl } = deps;
  const version = attempts.nextVersion();
  const [capacity, open] = await Promise.all([sandboxes.capacity(), store.openAttempts()]);
  const rows = await Promise.all(
    open.map(async (attempt) => ({
      attempt: await attempts.view(attempt.id, language),
      lastActivityAt: attempts.lastActivityOf(attempt).toISOString(),
    })),
  );
  return { version, joinCode, joinUrl: joinUrl(), capacity, rows };
}
