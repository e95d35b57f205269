import { Link, useLoaderData, useNavigate } from "react-router";
import type { AttemptView, LabSummary, SessionView, TextBlock } from "../../server/protocol/views.ts";
import { api } from "../api.ts";
import { HtmlText } from "../controls/html-text.tsx";
import { Icon } from "../controls/icon.tsx";
import { FailureNotice, Notice } from "../controls/notice.tsx";
import { useAction } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { PageFrame } from "../shell/page-frame.tsx";
import { NotOffered } from "./not-offered.tsx";

export interface LabStartData {
  session: SessionView;
  lab: LabSummary;
  blocks: TextBlock[];
  current: AttemptView | null;
}

/** One lab before it is started: what it is about, how long it takes, and the start. */
export function LabStartPage() {
  const { messages } = useMessages();
  const navigate = useNavigate();
  const { session, lab, blocks, current } = useLoaderData<LabStartData>();
  const start = useAction(async () => {
    const attempt = await api.startAttempt(lab.id);
    await navigate(pages.attempt(attempt.id));
  });
  const introduction = introductionOf(blocks);
  return (
    <PageFrame title={lab.title} person={session.person}>
      <div className="page reading">
        <p>
          <Link className="back-link" to={pages.home}>
            <Icon name="arrow-left" />
            {messages.labs.back}
          </Link>
        </p>
        <div className="page-head">
          <h1>{lab.title}</h1>
          <p className="lead">{lab.summary}</p>
          <p className="lab-facts-line muted">
            <span>
              <Icon name="clock" />
              {messages.labs.about(messages.minutes(lab.minutes))}
            </span>
            <span>
              <Icon name="circle-check" />
              {messages.labs.taskCount(lab.tasks)}
            </span>
          </p>
        </div>
        {lab.notOfferedBecause ? <NotOffered because={lab.notOfferedBecause} /> : null}
        {current && !lab.notOfferedBecause ? (
          <Notice
            tone="idle"
            icon="info"
            title={messages.labs.oneAtATime(current.labTitle)}
            action={
              <Link className="button" to={pages.attempt(current.id)}>
                {messages.labs.goOn}
              </Link>
            }
          />
        ) : null}
        {start.error ? <FailureNotice error={start.error} /> : null}
        <div className="start-line">
          <button
            type="button"
            className="button primary"
            disabled={Boolean(lab.notOfferedBecause) || current !== null || start.isPending}
            onClick={() => start.run()}
          >
            {start.isPending ? messages.labs.starting : messages.labs.start}
          </button>
          <p className="muted small">{messages.labs.startHelp}</p>
        </div>
        {introduction ? (
          <section className="panel lab-title-shown" aria-labelledby="lab-contents">
            <h2 id="lab-contents">{messages.labs.contents}</h2>
            <HtmlText html={introduction} />
          </section>
        ) : null}
      </div>
    </PageFrame>
  );
}

/** The text before its first section: what stands there stands for the whole lab. */
function introductionOf(blocks: TextBlock[]): string {
  const [first] = blocks;
  return first?.kind === "html" ? (first.html.split(/<h[2-6]\b/)[0] ?? "") : "";
}
