import { readFile } from "node:fs/promises";
import type { HostPaths } from "./docker-paths.ts";

const dockersOwn = (page: string) =>
  `Docker's own packages, by https://docs.docker.com/engine/install/${page}`;

/**
 * What installs Docker Engine and its command, by the ID in os-release(5). Where a distribution packages neither, or
 * only older ones than 24, it is Docker's own repository. Sources: docs.docker.com/engine/install;
 * packages.fedoraproject.org (moby-engine, docker-cli); en.opensuse.org/Docker; wiki.archlinux.org/title/Docker;
 * docs.aws.amazon.com/linux/al2023; packages.ubuntu.com (docker.io).
 */
const installers: Record<string, string> = {
  amzn: "`sudo dnf install docker`",
  arch: "`sudo pacman -S docker`",
  centos: dockersOwn("centos"),
  debian: dockersOwn("debian"),
  fedora: "`sudo dnf install moby-engine docker-cli`",
  opensuse: "`sudo zypper install docker`",
  rhel: dockersOwn("rhel"),
  suse: "`sudo zypper install docker`",
  ubuntu: "`sudo apt-get install docker.io`",
};

/**
 * What to do on a host where Docker Engine isn't installed for its user: by what the distribution is, or else by the
 * nearest that it says it is like.
 */
export async function dockerByHand({ osRelease }: Pick<HostPaths, "osRelease">): Promise<string> {
  const text = await readFile(osRelease, "utf8").catch(() => "");
  const valueFor = (name: string) => new RegExp(`^${name}=["']?([^"'\\n]*)`, "m").exec(text)?.[1] ?? "";
  const ids = [valueFor("ID"), ...valueFor("ID_LIKE").split(/\s+/)];
  const known = ids.map((id) => installers[id]).find(Boolean);
  const way = known ?? "the way your distribution does (https://docs.docker.com/engine/install)";
  return `install Docker Engine 24 or newer: ${way}; then start Footbridge again`;
}
