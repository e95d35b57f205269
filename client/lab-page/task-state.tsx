import type { TaskView } from "../../server/protocol/views.ts";
import type { IconName } from "../controls/icon.tsx";
import { Status, type Tone } from "../controls/status.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** A task's state in one word: what the learner may make of it, not what the check returned. */
export function TaskState({ task }: { task: TaskView }) {
  const { messages } = useMessages();
  const shown = (): { tone: Tone; icon: IconName; word: string } => {
    if (task.state === "passed") return { tone: "ok", icon: "circle-check", word: messages.task.passed };
    if (task.state === "locked") return { tone: "idle", icon: "lock", word: messages.task.locked };
    if (task.verdict?.state === "errored")
      return { tone: "doubt", icon: "question", word: messages.task.couldNotCheck };
    if (task.verdict?.state === "failed")
      return { tone: "warn", icon: "circle-dot", word: messages.task.notYet };
    return { tone: "idle", icon: "circle", word: messages.task.open };
  };
  const { tone, icon, word } = shown();
  return (
    <Status tone={tone} icon={icon}>
      {word}
    </Status>
  );
}
