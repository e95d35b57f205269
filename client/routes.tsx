import { type LoaderFunctionArgs, type RouteObject, redirect } from "react-router";
import type { SessionView } from "../server/protocol/views.ts";
import { api } from "./api.ts";
import { isRefused, RequestFailure } from "./failure.ts";
import { spendSecret } from "./fragment.ts";
import type { RoomData } from "./instructor/instructor-page.tsx";
import { JoinPage } from "./join/join-page.tsx";
import type { AttemptData } from "./lab-page/attempt-page.tsx";
import type { LabStartData } from "./labs/lab-start-page.tsx";
import { LabStartPage } from "./labs/lab-start-page.tsx";
import { type LabsData, LabsPage } from "./labs/labs-page.tsx";
import { pages } from "./paths.ts";
import { AppRoot } from "./shell/app-root.tsx";
import { ErrorPage } from "./shell/error-page.tsx";
import { LoadingPage } from "./shell/loading-page.tsx";
import { NotFoundPage } from "./shell/not-found-page.tsx";

type Person = NonNullable<SessionView["person"]>;

/** The session of who is signed in; everybody else is sent to sign in. */
async function signedIn(): Promise<SessionView & { person: Person }> {
  const session = await api.session();
  if (!session.person) throw redirect(pages.join);
  return { ...session, person: session.person };
}

/** Runs a loader; a session that ended meanwhile leads to the sign-in, not to an error. */
async function orSignIn<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (isRefused(error, "not_signed_in")) throw redirect(pages.join);
    throw error;
  }
}

async function loadLabs(): Promise<LabsData> {
  const session = await signedIn();
  if (session.person.role === "instructor") throw redirect(pages.instructor);
  return orSignIn(async () => {
    const [labs, current] = await Promise.all([api.labs(), api.currentAttempt()]);
    return { session, labs, current };
  });
}

async function loadLabStart({ params }: LoaderFunctionArgs): Promise<LabStartData> {
  const session = await signedIn();
  const labId = params.labId ?? "";
  return orSignIn(async () => {
    const [labs, text, current] = await Promise.all([
      api.labs(),
      api.labText(labId),
      session.person.role === "learner" ? api.currentAttempt() : null,
    ]);
    if (current?.labId === labId) throw redirect(pages.attempt(current.id));
    const lab = labs.find(({ id }) => id === labId);
    if (!lab)
      throw new RequestFailure({
        kind: "refused",
        status: 404,
        body: { code: "not_found", message: `there is no lab \`${labId}\`` },
      });
    return { session, lab, blocks: text.blocks, current };
  });
}

async function loadAttempt({ params }: LoaderFunctionArgs): Promise<AttemptData> {
  const session = await signedIn();
  return orSignIn(async () => {
    const attempt = await api.attempt(params.attemptId ?? "");
    const { blocks } = await api.labText(attempt.labId);
    return { session, attempt, blocks };
  });
}

async function loadRoom(): Promise<RoomData> {
  const session = await api.session();
  const token = spendSecret("token");
  const { person } = session;
  if (token !== undefined)
    try {
      const signedInNow = await api.signInInstructor(token);
      return { person: signedInNow.person, room: await api.room(), failure: undefined };
    } catch (failure) {
      // Somebody who is signed in and opens the used link once more just wants the room.
      if (person?.role !== "instructor") return { person, room: undefined, failure };
    }
  if (person?.role !== "instructor") return { person, room: undefined, failure: undefined };
  return { person, room: await api.room(), failure: undefined };
}

/** Every page and what it loads before it shows. */
export const routes: RouteObject[] = [
  {
    element: <AppRoot />,
    hydrateFallbackElement: <LoadingPage />,
    children: [
      {
        errorElement: <ErrorPage />,
        children: [
          { path: pages.home, element: <LabsPage />, loader: loadLabs },
          { path: pages.join, element: <JoinPage />, loader: () => api.session() },
          { path: "/labs/:labId", element: <LabStartPage />, loader: loadLabStart },
          {
            path: "/attempts/:attemptId",
            loader: loadAttempt,
            lazy: async () => ({ Component: (await import("./lab-page/attempt-page.tsx")).AttemptPage }),
          },
          {
            path: pages.instructor,
            loader: loadRoom,
            lazy: async () => ({
              Component: (await import("./instructor/instructor-page.tsx")).InstructorPage,
            }),
          },
          { path: "*", element: <NotFoundPage /> },
        ],
      },
    ],
  },
];
