import { expect, test } from "vitest";
import { dockerByHand } from "../../sandboxes/host/docker-by-hand.ts";
import { madeUpHost } from "../support/made-up-host.ts";

test.each([
  ["Fedora", "ID=fedora\nVERSION_ID=43", "`sudo dnf install moby-engine docker-cli`"],
  ["RHEL", 'ID="rhel"\nID_LIKE="fedora"', "docs.docker.com/engine/install/rhel"],
  ["CentOS Stream", 'ID="centos"\nID_LIKE="rhel fedora"', "docs.docker.com/engine/install/centos"],
  ["Rocky Linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"', "docs.docker.com/engine/install/rhel"],
  ["Amazon Linux", 'ID="amzn"\nID_LIKE="fedora"', "`sudo dnf install docker`"],
  ["openSUSE", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"', "`sudo zypper install docker`"],
  ["SLES", "ID='sles'\nID_LIKE='suse'", "`sudo zypper install docker`"],
  ["Arch", "ID=arch", "`sudo pacman -S docker`"],
  ["Manjaro", "ID=manjaro\nID_LIKE=arch", "`sudo pacman -S docker`"],
  ["Ubuntu", "ID=ubuntu\nID_LIKE=debian", "`sudo apt-get install docker.io`"],
  ["Mint", 'ID=linuxmint\nID_LIKE="ubuntu debian"', "`sudo apt-get install docker.io`"],
  ["Debian 11", 'ID=debian\nVERSION_ID="11"', "docs.docker.com/engine/install/debian"],
  ["Kali", "ID=kali\nID_LIKE=debian", "docs.docker.com/engine/install/debian"],
  ["something else", "ID=nixos", "the way your distribution does (https://docs.docker.com/engine/install)"],
])("on %s it says what to install", async (_, text, words) => {
  const host = await madeUpHost();
  await host.write(host.paths.osRelease, `NAME=x\n${text}\n`);
  const hint = await dockerByHand(host.paths);
  expect(hint).toContain(words);
  expect(hint).toMatch(/^install Docker Engine 24 or newer: .*; then start Footbridge again$/);
});

test("a host that doesn't say what it is is pointed to Docker's pages", async () => {
  const hint = await dockerByHand({ osRelease: "/nowhere/os-release" });
  expect(hint).toContain("https://docs.docker.com/engine/install");
});
