import { Link, useRouteError } from "react-router";
import { FailureNotice } from "../controls/notice.tsx";
import { describeFailure, isRefused } from "../failure.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { NotFoundPage } from "./not-found-page.tsx";
import { PageFrame } from "./page-frame.tsx";

/** What stands in a page's place when it could not be loaded or fell over. */
export function ErrorPage() {
  const { messages } = useMessages();
  const error = useRouteError();
  if (isRefused(error, "not_found")) return <NotFoundPage />;
  const { title } = describeFailure(error, messages);
  return (
    <PageFrame title={title} person={null}>
      <div className="narrow-page">
        <h1 className="visually-hidden">{title}</h1>
        <FailureNotice error={error} />
        <div className="button-row">
          <button type="button" className="button primary" onClick={() => location.reload()}>
            {messages.failure.reload}
          </button>
          <Link className="button" to={pages.home}>
            {messages.failure.home}
          </Link>
        </div>
      </div>
    </PageFrame>
  );
}
