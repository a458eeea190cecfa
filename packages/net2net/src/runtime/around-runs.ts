import type { Runtime, Session } from './runtime.ts'

/** The runtime, with `run` in the place of every run of its sessions: it is given the session, and what that was to run with. */
export const aroundRuns = (
  runtime: Runtime,
  run: (session: Session, ...given: Parameters<Session['run']>) => ReturnType<Session['run']>,
): Runtime => ({
  ...runtime,
  async createSession(model, options) {
    const session = await runtime.createSession(model, options)
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run: (...given) => run(session, ...given),
      release: () => session.release(),
    }
  },
})
