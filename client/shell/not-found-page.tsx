import { Link } from "react-router";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { PageFrame } from "./page-frame.tsx";

/** Nothing at this address. */
export function NotFoundPage() {
  const { messages } = useMessages();
  return (
    <PageFrame title={messages.notFound.title} person={null}>
      <div className="narrow-page">
        <h1>{messages.notFound.title}</h1>
        <p>{messages.notFound.body}</p>
        <div className="button-row">
          <Link className="button primary" to={pages.home}>
            {messages.failure.home}
          </Link>
        </div>
      </div>
    </PageFrame>
  );
}
