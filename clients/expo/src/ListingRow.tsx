import type { AuctionId, Match } from "clip-ranker-client";
import { memo } from "react";
import { Image, StyleSheet, Text, View } from "react-native";

import { Button } from "./Button";
import type { Words } from "./words";

interface Props {
  words: Words;
  id: AuctionId;
  title: string;
  picture: string;
  score: number | null;
  match: Match | null;
  failure: string | null;
  /** Of the ranking, where the service wants to know whether this is the item. */
  requestId: string | null;
  onVerdict: (requestId: string, id: AuctionId, same: boolean) => void;
}

/** Nothing in the props is made anew, so that a row is drawn again only when something changed. */
export const ListingRow = memo(function ListingRow(props: Props) {
  const { words, id, title, picture, score, match, failure, requestId, onVerdict } = props;
  return (
    <View style={styles.row}>
      <View style={[styles.listing, failure !== null && styles.failed]} accessible>
        <Image source={{ uri: picture }} style={styles.picture} />
        <View style={styles.words}>
          <Text style={styles.title} numberOfLines={2}>
            {title}
          </Text>
          {score !== null && <Text style={styles.score}>{score.toFixed(3)}</Text>}
          {match !== null && <Text style={styles.title}>{words.match[match]}</Text>}
          {failure !== null && <Text style={styles.failure}>{failure}</Text>}
        </View>
      </View>
      {requestId !== null && score !== null && (
        <View style={styles.verdicts}>
          <Button title={words.same} onPress={() => onVerdict(requestId, id, true)} />
          <Button title={words.notSame} onPress={() => onVerdict(requestId, id, false)} />
        </View>
      )}
    </View>
  );
});

const styles = StyleSheet.create({
  row: { flexDirection: "row", alignItems: "center", gap: 14, paddingVertical: 8 },
  listing: { flex: 1, flexDirection: "row", gap: 14 },
  failed: { opacity: 0.6 },
  picture: { width: 72, height: 72, borderRadius: 8 },
  words: { flex: 1, justifyContent: "center", gap: 4 },
  verdicts: { gap: 8 },
  title: { color: "#1f2328" },
  score: { color: "#1f2328", fontWeight: "600", fontVariant: ["tabular-nums"] },
  failure: { color: "#c0392b" },
});
