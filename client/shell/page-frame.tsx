import type { ReactNode } from "react";
import { Link } from "react-router";
import type { SessionView } from "../../server/protocol/views.ts";
import { useMessages } from "../messages/use-messages.ts";
import { pages } from "../paths.ts";
import { DisplayMenu } from "./display-menu.tsx";
import { SessionMenu } from "./session-menu.tsx";

interface PageFrameProps {
  /** Title of the browser's tab; the product's name is added. */
  title: string;
  person: SessionView["person"];
  /** What the bar holds between the product's name and the menus. */
  bar?: ReactNode;
  /** Above the content: notices that concern the whole page. */
  banner?: ReactNode;
  /** `page` scrolls as a document; `workspace` fills the window and scrolls inside. */
  layout?: "page" | "workspace";
  children: ReactNode;
}

const CONTENT_ID = "content";

/** What every page has: skip link, bar, menus, main part. */
export function PageFrame({ title, person, bar, banner, layout = "page", children }: PageFrameProps) {
  const { messages } = useMessages();
  return (
    <div className={`frame frame-${layout}`}>
      <title>{messages.pageTitle(title)}</title>
      <a className="skip-link" href={`#${CONTENT_ID}`}>
        {messages.skipToContent}
      </a>
      <header className="bar">
        <Link className="brand" to={person?.role === "instructor" ? pages.instructor : pages.home}>
          <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
            <path d="M2 21h28M4 21C8 9 24 9 28 21M10 21v-6.4M16 21v-9M22 21v-6.4M4 21v5M28 21v5" />
          </svg>
          <span>{messages.product}</span>
        </Link>
        <div className="bar-middle">{bar}</div>
        <div className="bar-menus">
          <DisplayMenu />
          {person ? <SessionMenu person={person} /> : null}
        </div>
      </header>
      {banner}
      <main id={CONTENT_ID} tabIndex={-1} className="content">
        {children}
      </main>
    </div>
  );
}
