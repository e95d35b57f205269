import { type FormEvent, useState } from "react";
import type { SandboxView } from "../../server/protocol/views.ts";
import { Field } from "../controls/field.tsx";
import { FailureNotice } from "../controls/notice.tsx";
import type { Action } from "../controls/use-action.ts";
import { useMessages } from "../messages/use-messages.ts";
import type { Hardware } from "./attempt-actions.ts";

const MAX_CPUS = 64;
const MIN_MEMORY_MIB = 512;
const MEMORY_STEP_MIB = 256;

/** CPUs, memory and data disk of the VM; they change at the next power-on. */
export function HardwareForm({
  machine,
  action,
}: {
  machine: NonNullable<SandboxView["machine"]>;
  action: Action<[Hardware]>;
}) {
  const { messages } = useMessages();
  const planned = machine.pendingHardware ?? machine.hardware;
  const [cpus, setCpus] = useState(String(planned.cpus));
  const [memory, setMemory] = useState(String(planned.memoryMib));
  const [disk, setDisk] = useState(String(planned.dataDiskGib));
  const wanted: Hardware = { cpus: Number(cpus), memoryMib: Number(memory), dataDiskGib: Number(disk) };
  const smallestDisk = machine.hardware.dataDiskGib;
  const errors = {
    cpus:
      Number.isInteger(wanted.cpus) && wanted.cpus >= 1 && wanted.cpus <= MAX_CPUS
        ? undefined
        : messages.machine.invalidCpus,
    memory:
      Number.isInteger(wanted.memoryMib) && wanted.memoryMib >= MIN_MEMORY_MIB
        ? undefined
        : messages.machine.invalidMemory,
    disk:
      Number.isInteger(wanted.dataDiskGib) && wanted.dataDiskGib >= smallestDisk
        ? undefined
        : messages.machine.invalidDisk(smallestDisk),
  };
  const isValid = !errors.cpus && !errors.memory && !errors.disk;
  const isChanged =
    wanted.cpus !== planned.cpus ||
    wanted.memoryMib !== planned.memoryMib ||
    wanted.dataDiskGib !== planned.dataDiskGib;

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (isValid && isChanged) action.run(wanted);
  }

  return (
    <form className="hardware-form" onSubmit={onSubmit} noValidate aria-labelledby="hardware-heading">
      <h3 id="hardware-heading">{messages.machine.hardware}</h3>
      <div className="hardware-fields">
        <Field label={messages.machine.cpus} error={errors.cpus}>
          {(attributes) => (
            <input
              {...attributes}
              className="input numeric"
              type="number"
              min={1}
              max={MAX_CPUS}
              value={cpus}
              onChange={(event) => setCpus(event.target.value)}
            />
          )}
        </Field>
        <Field label={messages.machine.memoryMib} error={errors.memory}>
          {(attributes) => (
            <input
              {...attributes}
              className="input numeric"
              type="number"
              min={MIN_MEMORY_MIB}
              step={MEMORY_STEP_MIB}
              value={memory}
              onChange={(event) => setMemory(event.target.value)}
            />
          )}
        </Field>
        <Field label={messages.machine.diskGib} help={messages.machine.diskHelp} error={errors.disk}>
          {(attributes) => (
            <input
              {...attributes}
              className="input numeric"
              type="number"
              min={smallestDisk}
              value={disk}
              onChange={(event) => setDisk(event.target.value)}
            />
          )}
        </Field>
      </div>
      {action.error ? <FailureNotice error={action.error} /> : null}
      <div className="button-row">
        <button type="submit" className="button" disabled={!isValid || !isChanged || action.isPending}>
          {action.isPending ? messages.machine.applying : messages.machine.apply}
        </button>
      </div>
    </form>
  );
}
