import { useMessages } from "../messages/use-messages.ts";

/** Stands until the first page has what it shows. */
export function LoadingPage() {
  const { messages } = useMessages();
  return (
    <main className="loading-page">
      <p role="status">{messages.loading}</p>
    </main>
  );
}
