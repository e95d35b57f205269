import type { TaskView } from "../../server/protocol/views.ts";
import { useMessages } from "../messages/use-messages.ts";
import { taskAnchor } from "./task-card.tsx";
import { TaskState } from "./task-state.tsx";

/** All tasks with their progress. What turns green is also said, politely, to who can't see it. */
export function TaskList({ tasks }: { tasks: TaskView[] }) {
  const { messages } = useMessages();
  const passed = tasks.filter((task) => task.state === "passed");
  const isFinished = tasks.length > 0 && passed.length === tasks.length;
  const progress = isFinished ? messages.task.allPassed : messages.task.progress(passed.length, tasks.length);
  return (
    <details className="task-list" open>
      <summary>
        <h2>{messages.attempt.tasks}</h2>
        <span className="small muted numeric" data-finished={isFinished}>
          {progress}
        </span>
        <div
          className="meter"
          data-tone="ok"
          role="progressbar"
          aria-label={progress}
          aria-valuenow={passed.length}
          aria-valuemin={0}
          aria-valuemax={tasks.length}
        >
          <span style={{ width: `${tasks.length > 0 ? (passed.length / tasks.length) * 100 : 0}%` }} />
        </div>
      </summary>
      <ol>
        {tasks.map((task, index) => (
          <li key={task.id} data-state={task.state}>
            <span className="task-number numeric">{index + 1}</span>
            <a href={`#${taskAnchor(task.id)}`}>{task.title}</a>
            <TaskState task={task} />
          </li>
        ))}
      </ol>
      <ul className="visually-hidden" aria-live="polite" aria-relevant="additions">
        {passed.map((task) => (
          <li key={task.id}>{messages.task.passedNow(task.title)}</li>
        ))}
      </ul>
    </details>
  );
}
