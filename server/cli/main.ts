#!/usr/bin/env node
import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { toLabError } from "../../sandboxes/errors.ts";

/** Commands load their code when they run, so that `--help` and `labs lint` answer at once. */
const program = new Command("footbridge")
  .description("A lab that takes people who run virtual machines across to Kubernetes.")
  .version(packageJson.version, "-V, --version", "print the version")
  .showHelpAfterError();

program
  .command("start")
  .description("set up this host, start the lab server and print the links")
  .option("--change-docker", "allow writing an existing Docker's daemon.json and restarting it, where needed")
  .action(async (options) => (await import("./start-command.ts")).start(options));

program
  .command("doctor")
  .description("examine this host: Docker, KVM, registry, cgroup, CPU, memory, disk")
  .option("--json", "as JSON")
  .action(async (options) => (await import("./doctor-command.ts")).doctor(options));

const images = program.command("images").description("the images that sandboxes are made of");
images
  .command("build")
  .description("build or pull what is missing")
  .action(async () => (await import("./images-command.ts")).buildImages());
images
  .command("save <file>")
  .description("write all images into one file for a host without a network")
  .action(async (file) => (await import("./images-command.ts")).saveAllImages(file));
images
  .command("load <file>")
  .description("read the images from such a file")
  .action(async (file) => (await import("./images-command.ts")).loadAllImages(file));

const sandbox = program.command("sandbox").description("sandboxes, without the page");
sandbox
  .command("ls")
  .description("list them")
  .action(async () => (await import("./sandbox-command.ts")).listSandboxes());
sandbox
  .command("create")
  .description(
    "make one and wait until it is ready; after that nobody puts its firewall back nor watches its disk",
  )
  .action(async () => (await import("./sandbox-command.ts")).createSandbox());
sandbox
  .command("shell <id> [role]")
  .description("a shell in it, which goes on when you leave; role is vm (default) or cluster")
  .action(async (id, role) => (await import("./sandbox-command.ts")).openShell(id, role ?? "vm"));
sandbox
  .command("destroy <id>")
  .description("end it and remove everything of it")
  .action(async (id) => (await import("./sandbox-command.ts")).destroySandbox(id));

program
  .command("labs")
  .description("the labs")
  .command("lint [folder]")
  .description("check labs and say file, line and remedy of each error")
  .action(async (folder) => (await import("./labs-command.ts")).lint(folder));

program
  .command("uninstall")
  .description("take everything away again: sandboxes, images, state and what was installed for it")
  .option("--yes", "do not ask")
  .option("--change-docker", "allow restarting a Docker that others use, to take its daemon.json back")
  .action(async (options) => (await import("./uninstall-command.ts")).uninstall(options));

try {
  await program.parseAsync();
} catch (error) {
  const failure = toLabError(error);
  process.stderr.write(`footbridge: ${failure}\n`);
  // Starting again would not help: docs/footbridge.service goes by this.
  process.exitCode = failure.code === "bad_settings" ? 2 : 1;
}
