import { spawnSync } from "node:child_process";
import { toLabError } from "../sandboxes/errors.ts";
import { installPackages } from "../sandboxes/host/docker-install.ts";
import { labHost } from "../server/cli/lab-host.ts";
import { createProgressPrinter } from "../server/cli/progress-printer.ts";
import { setUpHost } from "../server/cli/set-up.ts";
import { loadSettings } from "../server/load-settings.ts";
import { readTestArguments } from "./support/test-arguments.ts";

/**
 * What tests need of Debian beside what the product needs: a browser with a font that has Chinese, ssh to compare with,
 * networks, a full-screen program.
 */
const TEST_PACKAGES = ["chromium", "fonts-wqy-microhei", "openssh-client", "iproute2", "vim"];

/**
 * `npm test -- [--change-docker] [FILTER…]`: sets this host up like `npm start`, then runs the tests; the last line
 * counts them.
 */
const { mayChangeDocker, forVitest } = readTestArguments(process.argv.slice(2));
try {
  const report = createProgressPrinter(process.stdout);
  const settings = await loadSettings(process.env);
  await installPackages({ paths: labHost(settings, process.env).paths, report }, TEST_PACKAGES, "the tests");
  await setUpHost({
    settings,
    env: process.env,
    report,
    mayChangeDocker,
    signal: new AbortController().signal,
  });
  const vitest = spawnSync("vitest", ["run", ...forVitest], { stdio: "inherit" });
  process.exitCode = vitest.status ?? 1;
} catch (error) {
  process.stderr.write(`the set-up failed: ${toLabError(error)}\n`);
  process.stdout.write("0 passed, 1 failed, 0 skipped\n");
  process.exitCode = 1;
}
