import { Outlet, useNavigation } from "react-router";
import { ConnectionProvider } from "../connection/connection.tsx";
import { ConfirmProvider } from "../controls/confirm.tsx";
import { useMessages } from "../messages/use-messages.ts";

/** What all pages stand in: the connection, questions, and a sign that the next page is on its way. */
export function AppRoot() {
  const { messages } = useMessages();
  const isLoading = useNavigation().state === "loading";
  return (
    <ConnectionProvider>
      <ConfirmProvider>
        <div role="status" className="navigation" data-loading={isLoading}>
          <span className="visually-hidden">{isLoading ? messages.loading : ""}</span>
        </div>
        <Outlet />
      </ConfirmProvider>
    </ConnectionProvider>
  );
}
