// Notes the packages that the first stage has installed, which had to come before anything in TypeScript could run.
import { toLabError } from "../../sandboxes/errors.ts";
import { addToJournal } from "../../sandboxes/host/docker-journal.ts";
import { loadSettings } from "../load-settings.ts";
import { labHost } from "./lab-host.ts";

try {
  const { paths } = labHost(await loadSettings(process.env), process.env);
  await addToJournal(paths.journalFile, (journal) => journal.packages.push(...process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`footbridge: ${toLabError(error)}\n`);
  process.exitCode = 2;
}
