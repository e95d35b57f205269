import type { AttemptView, TextBlock } from "../../server/protocol/views.ts";
import { HtmlText } from "../controls/html-text.tsx";
import { useMessages } from "../messages/use-messages.ts";
import { CodeBlock } from "./code-block.tsx";
import { isRoleReady } from "./sandbox-state.ts";
import { TaskCard } from "./task-card.tsx";

interface InstructionsProps {
  blocks: TextBlock[];
  attempt: AttemptView;
  onRun: ((role: "vm" | "cluster", code: string) => void) | undefined;
  onRevealHint: ((taskId: string) => Promise<void>) | undefined;
}

/** The lab's text, with its tasks and commands alive. */
export function Instructions({ blocks, attempt, onRun, onRevealHint }: InstructionsProps) {
  return (
    <article className="instructions lab-title-shown">
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the text of a lab never changes its order.
        <Block key={index} block={block} attempt={attempt} onRun={onRun} onRevealHint={onRevealHint} />
      ))}
    </article>
  );
}

function Block({
  block,
  attempt,
  onRun,
  onRevealHint,
}: Omit<InstructionsProps, "blocks"> & { block: TextBlock }) {
  const { messages } = useMessages();
  if (block.kind === "html") return <HtmlText html={block.html} />;
  if (block.kind === "code")
    return (
      <CodeBlock
        code={block.code}
        run={block.run}
        isReady={block.run !== undefined && isRoleReady(attempt, block.run)}
        onRun={onRun}
      />
    );
  const index = attempt.tasks.findIndex((task) => task.id === block.taskId);
  const task = attempt.tasks[index];
  if (!task) return <p className="muted">{messages.task.unknown}</p>;
  return <TaskCard task={task} number={index + 1} onRevealHint={onRevealHint} />;
}
