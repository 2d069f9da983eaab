import { ClipRanker } from "clip-ranker-client";
import { fetch as streamingFetch } from "expo/fetch";
import { useMemo } from "react";
import { FlatList, Image, Pressable, StyleSheet, Text, View } from "react-native";

import { takePhoto } from "./src/photo";
import { LISTINGS, pictureOf } from "./src/search";
import type { Row } from "./src/session";
import { useRanking } from "./src/useRanking";

// On a phone `localhost` is the phone: put the computer's address or the service's name here.
const SERVICE = process.env["EXPO_PUBLIC_CLIP_RANKER_URL"] ?? "http://localhost:8000";
const KEY = process.env["EXPO_PUBLIC_CLIP_RANKER_KEY"];

export default function App() {
  const client = useMemo(
    () =>
      new ClipRanker({
        url: SERVICE,
        ...(KEY ? { apiKey: KEY } : {}),
        // React Native's own fetch hands the stream over only at its end.
        fetch: (url, init) => streamingFetch(url, init as object) as unknown as Promise<Response>,
      }),
    [],
  );
  const { session, rank, stop, undo, fail } = useRanking(client, LISTINGS);

  const from = async (source: "camera" | "library") => {
    const photo = await takePhoto(source).catch((error: Error) => fail(error.message));
    if (photo) await rank(photo);
  };

  return (
    <View style={styles.screen}>
      <View style={styles.buttons}>
        {session.phase === "ranking" ? (
          <Button title={`Stop (${session.done} of ${session.rows.length})`} onPress={stop} />
        ) : (
          <>
            <Button title="Take a photo" onPress={() => from("camera")} />
            <Button title="Choose one" onPress={() => from("library")} />
          </>
        )}
        {session.phase === "ranked" && <Button title="Undo" onPress={undo} />}
      </View>
      {session.problem && (
        <Text accessibilityRole="alert" style={styles.problem}>
          {session.problem}
        </Text>
      )}
      <FlatList
        data={session.rows}
        keyExtractor={(row) => String(row.index)}
        renderItem={({ item }) => <ListingRow row={item} />}
      />
    </View>
  );
}

function ListingRow({ row }: { row: Row }) {
  return (
    <View style={[styles.row, row.failure !== null && styles.failed]} accessible>
      <Image source={{ uri: pictureOf(row.listing, SERVICE) }} style={styles.picture} />
      <View style={styles.words}>
        <Text style={styles.title} numberOfLines={2}>
          {row.listing.title}
        </Text>
        {row.score !== null && <Text style={styles.score}>{row.score.toFixed(3)}</Text>}
        {row.failure !== null && <Text style={styles.problem}>{row.failure}</Text>}
      </View>
    </View>
  );
}

function Button({ title, onPress }: { title: string; onPress: () => void }) {
  return (
    <Pressable accessibilityRole="button" style={styles.button} onPress={onPress}>
      <Text style={styles.label}>{title}</Text>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, backgroundColor: "#fff", paddingTop: 64, paddingHorizontal: 16, gap: 12 },
  buttons: { flexDirection: "row", gap: 12 },
  button: { flex: 1, alignItems: "center", padding: 14, borderRadius: 10, backgroundColor: "#264a73" },
  label: { color: "#fff", fontWeight: "600" },
  problem: { color: "#c0392b" },
  row: { flexDirection: "row", gap: 14, paddingVertical: 8 },
  failed: { opacity: 0.6 },
  picture: { width: 72, height: 72, borderRadius: 8 },
  words: { flex: 1, justifyContent: "center", gap: 4 },
  title: { color: "#1f2328" },
  score: { color: "#1f2328", fontWeight: "600", fontVariant: ["tabular-nums"] },
});
