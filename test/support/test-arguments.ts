/** What `npm test -- …` was given. */
export interface TestArguments {
  /** The set-up's `--change-docker`: whether it may change and restart an existing Docker. */
  mayChangeDocker: boolean;
  /** All else, which is vitest's. */
  forVitest: string[];
}

/** Takes out what the set-up understands. */
export function readTestArguments(args: readonly string[]): TestArguments {
  const forVitest = args.filter((word) => word !== "--change-docker");
  return { mayChangeDocker: forVitest.length < args.length, forVitest };
}
