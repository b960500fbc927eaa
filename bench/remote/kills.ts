import { startThree } from './cluster.ts'
import { commandOf, environmentOf, killNow, treeOf } from './processes.ts'
import { longSteps, runArgs, same, train, type Trial } from './trial.ts'

/** kill -9 of a worker of torchrun, which starts all of them again from the last checkpoint. */
export async function killWorker(trial: Trial, model: string): Promise<void> {
  const args = runArgs(trial, model, trial.data, longSteps)
  const on = ['--on', 'torchrun:2']
  const calm = await train(trial, 'calm torchrun', args, on)
  let isKilled = false
  const disturbed = await train(trial, 'killed torchrun', args, on, {}, (event, pid) => {
    if (isKilled || event.type !== 'step' || Number(event.step) < 6) return
    const worker = treeOf(pid).find(
      (own) => environmentOf(own, 'RANK') === '1' && /fettle_runner/.test(commandOf(own)),
    )
    if (worker === undefined) return
    isKilled = true
    killNow(worker)
  })
  if (!isKilled || disturbed.attempts < 2)
    throw new Error(`nothing was killed (${disturbed.attempts} attempts)`)
  await same(trial, 'torchrun, worker killed', calm, disturbed)
}

const isWorker = (pid: number): boolean => /^ray::.*RayTrainWorker/.test(commandOf(pid))

/** kill -9 of the raylet of a machine that a worker is on, in a cluster of three; and of a worker. */
export async function killNode(trial: Trial, model: string): Promise<void> {
  const cluster = await startThree(trial.ray, trial.out)
  const args = runArgs(trial, model, trial.data, longSteps)
  const on = ['--on', `ray://${cluster.address.host}`, '--workers', '2']
  const environment = { GLOO_SOCKET_IFNAME: 'eth0' }
  const calm = await train(trial, 'calm ray', args, on, environment)
  for (const [name, victim] of [
    ['worker', (tree: readonly number[]) => tree.filter(isWorker)],
    // Not the head's: the cluster would be gone with it.
    [
      'raylet',
      (tree: readonly number[]) =>
        tree.some(isWorker) ? tree.filter((pid) => /\/raylet\b/.test(commandOf(pid))) : [],
    ],
  ] as const) {
    let isKilled = false
    const disturbed = await train(trial, `killed ray ${name}`, args, on, environment, (event) => {
      if (isKilled || event.type !== 'step' || Number(event.step) < 6) return
      const [pid] = cluster.nodes.slice(1).flatMap((node) => victim(treeOf(node)))
      if (pid === undefined) return
      isKilled = true
      killNow(pid)
    })
    if (!isKilled || disturbed.attempts < 2)
      throw new Error(`nothing was killed (${disturbed.attempts} attempts)`)
    await same(trial, `ray, ${name} killed`, calm, disturbed)
  }
}
