import { ErrorBody } from "../server/protocol/http.ts";
import type { Messages } from "./messages/en.ts";

/** Everything that can go wrong between the page and the lab server. */
export type Failure =
  /** The server answered that it failed, and why. */
  | { kind: "refused"; status: number; body: ErrorBody }
  /** The server could not be reached. */
  | { kind: "unreachable" }
  /** The server answered something this page does not understand, as after an upgrade of one of them. */
  | { kind: "not_understood"; status: number };

/** What the API client throws. */
export class RequestFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, cause?: unknown) {
    super(failure.kind === "refused" ? failure.body.message : failure.kind, { cause });
    this.name = "RequestFailure";
    this.failure = failure;
  }
}

/** A failure in words: what happened, the server's own words for it, and the next step. */
export interface FailureWords {
  title: string;
  /** The server's words, in English whatever the page speaks. */
  detail: string | undefined;
  hint: string | undefined;
  /** Whether the hint is this page's own, in the reader's language. */
  isOwnHint: boolean;
}

/** Whether the lab server refused with this code. */
export function isRefused(error: unknown, code: string): boolean {
  return (
    error instanceof RequestFailure && error.failure.kind === "refused" && error.failure.body.code === code
  );
}

/** Turns anything thrown, or the error of a socket's answer, into words for whoever reads the page. */
export function describeFailure(error: unknown, messages: Messages): FailureWords {
  const failure = error instanceof RequestFailure ? error.failure : undefined;
  if (failure?.kind === "unreachable")
    return {
      title: messages.failure.unreachable,
      detail: undefined,
      hint: messages.failure.unreachableHint,
      isOwnHint: true,
    };
  if (failure?.kind === "not_understood")
    return {
      title: messages.failure.notUnderstood,
      detail: undefined,
      hint: messages.failure.notUnderstoodHint,
      isOwnHint: true,
    };
  const body = failure?.body ?? ErrorBody.safeParse(error).data;
  if (!body) {
    const detail = error instanceof Error ? error.message : undefined;
    return { title: messages.failure.page, detail, hint: messages.failure.pageHint, isOwnHint: true };
  }
  const { codes, hints }: Record<"codes" | "hints", Partial<Record<string, string>>> = messages.failure;
  const title = codes[body.code] ?? messages.failure.codes.internal;
  const detail = asSentence(body.message);
  const hint = body.hint && asSentence(body.hint);
  if (messages.speaksAsTheServer) return { title, detail, hint, isOwnHint: false };
  return {
    title,
    detail: hint ? `${detail} ${hint}` : detail,
    hint: hints[body.code] ?? messages.failure.hints.internal,
    isOwnHint: true,
  };
}

/** Messages are lower case, as logs want them; a page wants a sentence. Names stay in backquotes. */
export function asSentence(message: string): string {
  const text = message.trim();
  // Chinese has a full stop of its own, and its texts come with it or without by intent.
  const wantsStop = /[A-Za-z0-9`'")\]]$/.test(text);
  return text.charAt(0).toUpperCase() + text.slice(1) + (wantsStop ? "." : "");
}
