/**
 * HTML that the lab server has rendered from the lab's Markdown and escaped. Nothing a learner types ever comes this
 * way.
 */
export function HtmlText({ html, className = "prose" }: { html: string; className?: string }) {
  // biome-ignore lint/security/noDangerouslySetInnerHtml: labs are the server's own content, see above.
  return <div className={className} dangerouslySetInnerHTML={{ __html: html }} />;
}
