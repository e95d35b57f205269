/** The packages that an `apt-get purge --simulate` would take away. */
export function packagesIn(plan: string): string[] {
  return [...plan.matchAll(/^(?:Purg|Remv) (\S+)/gm)].map((match) => match[1] ?? "");
}

/**
 * Those of `packages` that can go without taking anything else away. Something installed since may need one of them,
 * and apt would remove it along.
 * @param plan everything that would go with the given packages.
 */
export async function findRemovable(
  packages: readonly string[],
  plan: (names: readonly string[]) => Promise<readonly string[]>,
): Promise<string[]> {
  const onlyOurs = async (names: readonly string[]) =>
    (await plan(names)).every((name) => packages.includes(name));
  if (await onlyOurs(packages)) return [...packages];
  const removable: string[] = [];
  for (const name of packages) if (await onlyOurs([...removable, name])) removable.push(name);
  return removable;
}
