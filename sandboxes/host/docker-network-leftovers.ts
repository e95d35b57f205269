import { type RootShell, runAsRoot } from "./docker-root.ts";

/**
 * dockerd leaves its bridge and its rules behind when it ends. Rules of others go back as they were. Where `iptables`
 * came with Docker, it was dockerd that had the host forward nothing else (`FORWARD`'s policy).
 */
const script = `
failed=0
ip link delete docker0 2>/dev/null
forward=
[ "$1" != came-with-docker ] || forward='s/^:FORWARD DROP/:FORWARD ACCEPT/'
for tool in iptables ip6tables; do
  rules=$($tool-save 2>/dev/null) || continue
  case $rules in
  *DOCKER*) printf '%s\\n' "$rules" | sed -e '/DOCKER/d' -e '/docker0/d' -e "$forward" | $tool-restore || failed=1 ;;
  esac
done
exit $failed
`;

/**
 * Takes the bridge and the firewall rules of a Docker away that was stopped for good.
 * @param isOurs whether `iptables` was not there before.
 * @throws LabError `command_failed` where rules could not be put back without Docker's.
 */
export async function removeDockerNetworks(root: RootShell, isOurs: boolean): Promise<void> {
  const origin = isOurs ? "came-with-docker" : "was-there";
  await runAsRoot(root, ["sh", "-c", script, "sh", origin], { timeoutMs: 30_000 });
}
