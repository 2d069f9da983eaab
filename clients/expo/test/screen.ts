/** The hook as an app writes it, from the package, in React. */

import { renderHook } from "@testing-library/react-native";
import { useRanking, type RankingOptions } from "clip-ranker-client/expo";
import { StrictMode } from "react";

import type { Found } from "./watched";

interface Shown {
  data: Found[];
  options?: RankingOptions | undefined;
}

/** The hook on a screen that makes its list anew at each render. */
export const screen = (client: Parameters<typeof useRanking>[0], data: Found[], strict = false) => {
  let renders = 0;
  const shown = renderHook(
    ({ data, options }: Shown) => {
      renders += 1;
      return useRanking(
        client,
        data.map(({ id, thumbnail, name }) => ({ auction_id: id, image_url: thumbnail, title: name, id })),
        options,
      );
    },
    { initialProps: { data } as Shown, ...(strict ? { wrapper: StrictMode } : {}) },
  );
  const hook = () => shown.result.current;
  return {
    hook,
    renders: () => renders,
    show: (data: Found[], options?: RankingOptions) => shown.rerender({ data, options }),
    leave: () => shown.unmount(),
    order: () => hook().session.rows.map(({ listing }) => listing.id),
    scores: () => hook().session.rows.map(({ score }) => score),
  };
};
