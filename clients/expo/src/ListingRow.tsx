import { memo } from "react";
import { Image, StyleSheet, Text, View } from "react-native";

interface Props {
  title: string;
  picture: string;
  score: number | null;
  failure: string | null;
}

/** Plain values only, so that a row is drawn again only when something of it changed. */
export const ListingRow = memo(function ListingRow({ title, picture, score, failure }: Props) {
  return (
    <View style={[styles.row, failure !== null && styles.failed]} accessible>
      <Image source={{ uri: picture }} style={styles.picture} />
      <View style={styles.words}>
        <Text style={styles.title} numberOfLines={2}>
          {title}
        </Text>
        {score !== null && <Text style={styles.score}>{score.toFixed(3)}</Text>}
        {failure !== null && <Text style={styles.failure}>{failure}</Text>}
      </View>
    </View>
  );
});

const styles = StyleSheet.create({
  row: { flexDirection: "row", gap: 14, paddingVertical: 8 },
  failed: { opacity: 0.6 },
  picture: { width: 72, height: 72, borderRadius: 8 },
  words: { flex: 1, justifyContent: "center", gap: 4 },
  title: { color: "#1f2328" },
  score: { color: "#1f2328", fontWeight: "600", fontVariant: ["tabular-nums"] },
  failure: { color: "#c0392b" },
});
