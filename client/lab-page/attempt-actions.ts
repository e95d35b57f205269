import type { z } from "zod";
import type { HardwareBody, PowerBody } from "../../server/protocol/http.ts";
import type { AttemptView } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import type { LiveView } from "../connection/live-view.ts";
import { useConfirm } from "../controls/confirm.tsx";
import { type Action, useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";

export type PowerAction = z.infer<typeof PowerBody>["action"];
export type Hardware = z.infer<typeof HardwareBody>;

/** Everything that can be done to an attempt from its page; each answer is a view of it. */
export interface AttemptActions {
  extend: Action<[]>;
  reset: Action<[]>;
  end: Action<[]>;
  repair: Action<[]>;
  power: Action<[Exclude<PowerAction, "plug">]>;
  /** Apart from the others, because it overtakes them. */
  plug: Action<[]>;
  hardware: Action<[Hardware]>;
  revealHint(taskId: string): Promise<void>;
}

/** The actions of one attempt. */
export function useAttemptActions(live: LiveView<AttemptView>): AttemptActions {
  const { id } = live.current().view;
  return {
    extend: useAction(async () => live.take(await api.extend(id))),
    reset: useAction(async () => live.take(await api.reset(id))),
    end: useAction(async () => live.take(await api.end(id))),
    repair: useAction(async () => live.take(await api.repair(id))),
    power: useAction(async (action: Exclude<PowerAction, "plug">) => live.take(await api.power(id, action))),
    plug: useAction(async () => live.take(await api.power(id, "plug"))),
    hardware: useAction(async (hardware: Hardware) => live.take(await api.setHardware(id, hardware))),
    revealHint: async (taskId) => live.take(await api.revealHint(id, taskId)),
  };
}

/** Asks first, then deletes the sandbox: for a new one, or for good. */
export function useDangerousActions(actions: AttemptActions): { reset(): void; end(): void } {
  const { messages } = useMessages();
  const confirm = useConfirm();
  const { attempt } = messages;
  async function ask(action: Action<[]>, title: string, body: string, word: string) {
    if (await confirm({ title, body, action: word, isDangerous: true })) action.run();
  }
  return {
    reset: () => void ask(actions.reset, attempt.resetTitle, attempt.resetBody, attempt.resetAction),
    end: () => void ask(actions.end, attempt.endTitle, attempt.endBody, attempt.endAction),
  };
}
