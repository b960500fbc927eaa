/*
 * What filters and functions of the current render depend on besides their arguments. Rendering is synchronous and
 * never nests, so it stands beside the meter rather than in every builtin's parameters.
 */

/** What a render is given for the parts of jinja2 that are random, and what its statements switch. */
export interface RenderState {
  /** Inside `{% autoescape true %}`: jinja2's eval_ctx.autoescape. */
  autoescape: boolean
  /** Uniform numbers in [0, 1), for the filter `random` and for `lipsum`. */
  random: () => number
}

/** The state of the render that runs. */
export const renderState: RenderState = { autoescape: false, random: Math.random }

/** Starts a render; called by each. */
export function resetRenderState(random: () => number): void {
  renderState.autoescape = false
  renderState.random = random
}
