import type { TaskView } from "../../server/protocol/views.ts";
import { useMessages } from "../messages/use-messages.ts";
import { Hints } from "./hints.tsx";
import { TaskState } from "./task-state.tsx";
import { VerdictDetails } from "./verdict.tsx";

/** Id of a task's place in the instructions; the task list links to it. */
export function taskAnchor(taskId: string): string {
  return `task-${taskId}`;
}

/** A task where the instructions come to it: state, verdict, hints. */
export function TaskCard({
  task,
  number,
  onRevealHint,
}: {
  task: TaskView;
  number: number;
  onRevealHint: ((taskId: string) => Promise<void>) | undefined;
}) {
  const { messages, format } = useMessages();
  const headingId = `${taskAnchor(task.id)}-title`;
  const mayReveal = onRevealHint && task.state === "open";
  return (
    <section
      className="task-card"
      id={taskAnchor(task.id)}
      tabIndex={-1}
      data-state={task.state}
      data-verdict={task.verdict?.state}
      aria-labelledby={headingId}
    >
      <header>
        <p className="task-eyebrow">
          <span>{messages.task.number(number)}</span>
          <span>{messages.task.worlds[task.world]}</span>
          <span>{messages.task.points(task.points)}</span>
        </p>
        <TaskState task={task} />
        <h3 id={headingId}>{task.title}</h3>
      </header>
      {task.state === "passed" && task.passedAt ? (
        <p className="small muted numeric">{messages.task.passedAt(format.clock(task.passedAt))}</p>
      ) : null}
      {task.state === "locked" ? <p className="small muted">{messages.task.lockedHelp}</p> : null}
      {task.state === "open" && task.verdict ? <VerdictDetails verdict={task.verdict} /> : null}
      {task.state === "open" && !task.verdict ? <p className="small muted">{messages.task.waiting}</p> : null}
      {task.hintsShown.length > 0 || mayReveal ? (
        <Hints task={task} onReveal={mayReveal ? () => onRevealHint(task.id) : undefined} />
      ) : null}
    </section>
  );
}
