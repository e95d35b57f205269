import type { TaskView } from "../../server/protocol/views.ts";
import { useConfirm } from "../controls/confirm.tsx";
import { HtmlText } from "../controls/html-text.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";

/** Hints one at a time, mildest first; the last one is the solution and is asked for twice. */
export function Hints({
  task,
  onReveal,
}: {
  task: TaskView;
  /** Absent where nobody may ask for hints: for passed tasks and for the instructor. */
  onReveal: (() => Promise<void>) | undefined;
}) {
  const { messages } = useMessages();
  const confirm = useConfirm();
  const shown = task.hintsShown.length;
  const isLast = shown + 1 === task.hintsTotal;
  const reveal = useAction(async () => {
    await onReveal?.();
  });

  async function ask() {
    const isSure =
      !isLast ||
      (await confirm({
        title: messages.task.solutionTitle,
        body: messages.task.solutionBody,
        action: messages.task.showSolution,
      }));
    if (isSure) reveal.run();
  }

  return (
    <div className="hints">
      {task.hintsShown.map((html, index) => (
        <section className="hint" key={html} aria-label={hintTitle(index)}>
          <h4>{hintTitle(index)}</h4>
          <HtmlText html={html} className="prose small" />
        </section>
      ))}
      {reveal.error ? <FailureNotice error={reveal.error} /> : null}
      {onReveal && shown < task.hintsTotal ? (
        <button
          type="button"
          className="button small"
          aria-disabled={reveal.isPending}
          onClick={() => void ask()}
        >
          {isLast ? messages.task.showSolution : messages.task.showHint(shown + 1, task.hintsTotal - 1)}
        </button>
      ) : null}
    </div>
  );

  function hintTitle(index: number): string {
    return index + 1 === task.hintsTotal
      ? messages.task.solution
      : messages.task.hint(index + 1, task.hintsTotal - 1);
  }
}
