/** Asks which pages a cluster's dashboard has. */

import { Page } from '../clusters/models';
import { Api, FacilityError } from '../http';

const PAUSE = 700;
/** Times that it asks. */
const PATIENCE = 30;

/**
 * The pages; null when the cluster has gone.  A young cluster has none for a moment, so this asks
 * again, until it is given up.
 *
 * @throws FacilityError - Nobody could be asked, again and again.
 */
export async function pagesOf(
  api: Api,
  cluster: string,
  givenUp: () => boolean
): Promise<Page[] | null> {
  let last: unknown = new FacilityError('the dashboard has no pages');
  for (let tries = 0; tries < PATIENCE && !givenUp(); tries++) {
    try {
      const pages = await api.request<Page[]>(`clusters/${cluster}/pages`);
      if (pages.length) {
        return pages;
      }
    } catch (error) {
      last = error;
      if (await hasGone(api, cluster, error)) {
        return null;
      }
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE));
  }
  throw last;
}

/** Whether an error means that there is no such cluster any more. */
async function hasGone(api: Api, cluster: string, error: unknown): Promise<boolean> {
  if (!(error instanceof FacilityError) || error.status !== 404) {
    return false;
  }
  try {
    const { clusters } = await api.request<{ clusters: { name: string }[] }>('clusters');
    return !clusters.some(one => one.name === cluster);
  } catch {
    return false;
  }
}
