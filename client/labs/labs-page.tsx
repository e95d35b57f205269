import { Link, useLoaderData, useNavigate } from "react-router";
import type { AttemptView, LabSummary, SessionView } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { Status } from "../controls/status.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { PageFrame } from "../shell/page-frame.tsx";
import { NotOffered } from "./not-offered.tsx";

export interface LabsData {
  session: SessionView;
  labs: LabSummary[];
  current: AttemptView | null;
}

/** The labs of this server: what can be taken, what can't and why. */
export function LabsPage() {
  const { messages } = useMessages();
  const { session, labs, current } = useLoaderData<LabsData>();
  return (
    <PageFrame title={messages.labs.title} person={session.person}>
      <div className="page">
        <div className="page-head">
          <h1>{messages.labs.title}</h1>
          <p className="muted">{messages.labs.intro}</p>
        </div>
        {current ? (
          <Notice tone="idle" icon="info" title={messages.labs.oneAtATime(current.labTitle)} />
        ) : null}
        {labs.length === 0 ? (
          <Notice tone="idle" icon="info" title={messages.labs.none}>
            <p>{messages.labs.noneHelp}</p>
          </Notice>
        ) : (
          <ul className="labs">
            {labs.map((lab) => (
              <LabRow key={lab.id} lab={lab} current={current} />
            ))}
          </ul>
        )}
      </div>
    </PageFrame>
  );
}

function LabRow({ lab, current }: { lab: LabSummary; current: AttemptView | null }) {
  const { messages } = useMessages();
  const navigate = useNavigate();
  const start = useAction(async () => {
    const attempt = await api.startAttempt(lab.id);
    await navigate(pages.attempt(attempt.id));
  });
  const mine = current?.labId === lab.id ? current : undefined;
  const isOtherOpen = current !== null && !mine;
  const passed = mine?.tasks.filter((task) => task.state === "passed").length ?? 0;
  const headingId = `lab-${lab.id}`;
  return (
    <li className="lab-row" data-offered={!lab.notOfferedBecause}>
      <div className="lab-row-text">
        <h2 id={headingId}>
          <Link to={pages.lab(lab.id)}>{lab.title}</Link>
        </h2>
        <p>{lab.summary}</p>
        {lab.notOfferedBecause ? <NotOffered because={lab.notOfferedBecause} /> : null}
        {start.error ? <FailureNotice error={start.error} /> : null}
      </div>
      <dl className="lab-facts">
        <div>
          <dt className="visually-hidden">{messages.labs.duration}</dt>
          <dd>
            <Icon name="clock" />
            {messages.labs.about(messages.minutes(lab.minutes))}
          </dd>
        </div>
        <div>
          <dt className="visually-hidden">{messages.attempt.tasks}</dt>
          <dd>
            <Icon name="circle-check" />
            {mine ? messages.task.progress(passed, mine.tasks.length) : messages.labs.taskCount(lab.tasks)}
          </dd>
        </div>
        {mine ? (
          <div>
            <dt className="visually-hidden">{messages.room.columns.state}</dt>
            <dd>
              <Status tone="busy" icon={mine.state === "queued" ? "clock" : "circle-dot"}>
                {mine.state === "queued" ? messages.labs.queued : messages.labs.running}
              </Status>
            </dd>
          </div>
        ) : null}
      </dl>
      <div className="lab-row-action">
        {mine ? (
          <Link className="button primary" to={pages.attempt(mine.id)} aria-describedby={headingId}>
            {messages.labs.goOn}
          </Link>
        ) : (
          <button
            type="button"
            className="button primary"
            aria-describedby={headingId}
            disabled={Boolean(lab.notOfferedBecause) || isOtherOpen || start.isPending}
            onClick={() => start.run()}
          >
            {start.isPending ? messages.labs.starting : messages.labs.start}
          </button>
        )}
      </div>
    </li>
  );
}
