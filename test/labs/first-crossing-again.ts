import type { Check, CheckOf } from "../../server/checks/check.ts";
import type { Commands, Task } from "../../server/labs/lab.ts";

/** How a task that was solved is solved once more. */
export interface Trial {
  /** Takes the solution back. */
  undo: readonly Commands[];
  /** Waits for what goes on by itself after the solution's commands. */
  settle?: Commands;
  /** The task at the n-th time, where it can't be the same again. */
  nth?(task: Task, sample: number): Task;
}

const inVm = (commands: string): Commands => ({ run: "vm", commands });
const inCluster = (commands: string): Commands => ({ run: "cluster", commands });

const rolledOut = inCluster("kubectl -n inventory rollout status deployment/inventory-api");
/** A file system of the task's 512 MiB grows by so much each time, 15 times in the VM's data disk of 4 GiB. */
const GROWTH = 1.12;

/** For each task of the lab `first-crossing`, in its order. */
export const trials: Readonly<Record<string, Trial>> = {
  "start-the-service": {
    undo: [
      inVm(
        "sudo sed -i 's/^PORT=.*/PORT=8O80/' /etc/inventory/api.env && sudo systemctl restart inventory-api",
      ),
    ],
  },
  "start-at-boot": { undo: [inVm("sudo systemctl disable inventory-api")] },
  "grow-the-disk": {
    undo: [],
    // A mounted ext4 does not shrink: each time it has to be larger.
    nth(task, sample) {
      const minSizeMib = Math.ceil(512 * GROWTH ** (sample + 1));
      const checks = task.checks.map(
        (check): Check => (isFileSystem(check) ? { ...check, minSizeMib, minFreeMib: 1 } : check),
      );
      return {
        ...task,
        checks,
        solution: [inVm(`sudo lvextend --resizefs --size ${minSizeMib}M data/inventory`)],
      };
    },
  },
  "open-the-port": {
    undo: [inVm("sudo rm /etc/nftables.d/postgresql.nft && sudo systemctl reload nftables")],
  },
  "run-the-deployment": {
    undo: [inCluster("kubectl -n inventory delete deployment inventory-api --cascade=foreground")],
    settle: rolledOut,
  },
  "expose-the-service": { undo: [inCluster("kubectl -n inventory delete service inventory-api")] },
  "give-settings": {
    undo: [
      inCluster(
        `kubectl -n inventory set env deployment/inventory-api DATABASE_HOST- WAREHOUSE_NAME- DATABASE_PASSWORD-
         kubectl -n inventory delete configmap/inventory-settings secret/inventory-database`,
      ),
      rolledOut,
    ],
    settle: rolledOut,
  },
  "survive-a-loss": {
    undo: [],
    settle: rolledOut,
    // What is asked for is a deletion; the first time the replicas come before it.
    nth(task, sample) {
      const deletion =
        'kubectl -n inventory delete "$(kubectl -n inventory get pods --sort-by=.metadata.creationTimestamp -o name | tail -n 1)"';
      return sample === 0 ? task : { ...task, solution: [inCluster(deletion)] };
    },
  },
};

function isFileSystem(check: Check): check is CheckOf<"file_system"> {
  return check.kind === "file_system";
}
