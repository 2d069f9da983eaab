import { ClipRanker, ClipRankerError, message, type AuctionId } from "clip-ranker-client";
import { useRanking } from "clip-ranker-client/expo";
import { useCallback, useEffect, useRef, useState } from "react";
import { Linking, StyleSheet, Text, View, type FlatList } from "react-native";
import Animated, { LinearTransition } from "react-native-reanimated";
import { SafeAreaProvider, SafeAreaView } from "react-native-safe-area-context";

import { Button } from "./src/Button";
import { ListingRow } from "./src/ListingRow";
import { lostPhoto, PhotoError, takePhoto } from "./src/photo";
import { found, pages, pictureOf } from "./src/search";
import { problemIn, useWords } from "./src/words";

// On a phone `localhost` is the phone: put the computer's address or the service's name here.
const SERVICE = process.env.EXPO_PUBLIC_CLIP_RANKER_URL ?? "http://localhost:8000";
const KEY = process.env.EXPO_PUBLIC_CLIP_RANKER_KEY;
const client = new ClipRanker({ url: SERVICE, ...(KEY ? { apiKey: KEY } : {}) });

export default function App() {
  return (
    <SafeAreaProvider>
      <Search />
    </SafeAreaProvider>
  );
}

function Search() {
  const words = useWords();
  const [page, setPage] = useState(1);
  const { session, rank, rankRest, stop, undo } = useRanking(
    client,
    found(page).map((it) => ({ auction_id: it.id, image_url: it.thumbnail, title: it.name })),
  );
  const { phase, rows, rest, done, total, problem } = session;
  const list = useRef<FlatList>(null);
  const [photoFault, setPhotoFault] = useState<PhotoError | null>(null);
  const [told, setTold] = useState<"thanks" | "notTold" | null>(null);

  const rankPhoto = useCallback(
    async (photo: Promise<string | null>) => {
      setPhotoFault(null);
      setTold(null);
      try {
        const taken = await photo;
        if (taken) await rank(taken);
      } catch (error) {
        if (!(error instanceof PhotoError)) throw error;
        setPhotoFault(error);
      }
    },
    [rank],
  );

  const onVerdict = useCallback(async (requestId: string, id: AuctionId, same: boolean) => {
    setTold(null);
    try {
      await client.feedback({ request_id: requestId, auction_id: id, same });
      setTold("thanks");
    } catch (error) {
      if (!(error instanceof ClipRankerError)) throw error;
      setTold("notTold");
    }
  }, []);

  useEffect(() => {
    void rankPhoto(lostPhoto());
  }, [rankPhoto]);

  // The most alike is at the top, and the person may have been anywhere.
  useEffect(() => {
    if (phase === "ranked") list.current?.scrollToOffset({ offset: 0, animated: true });
  }, [phase]);

  const fault = photoFault ? words.photo[photoFault.reason] : problem && problemIn(words, problem);
  return (
    <SafeAreaView style={styles.screen}>
      <View style={styles.buttons}>
        {phase === "ranking" ? (
          <Button title={words.stop(done, total)} onPress={stop} />
        ) : (
          <>
            <Button title={words.take} onPress={() => rankPhoto(takePhoto("camera"))} />
            <Button title={words.choose} onPress={() => rankPhoto(takePhoto("library"))} />
          </>
        )}
        {phase === "ranked" && <Button title={words.undo} onPress={undo} />}
        {phase === "ranked" && rest > 0 && <Button title={words.rankRest} onPress={rankRest} />}
      </View>
      {fault && (
        <Text accessibilityRole="alert" style={styles.fault}>
          {fault}
        </Text>
      )}
      {told && <Text accessibilityLiveRegion="polite">{words[told]}</Text>}
      {photoFault?.reason === "refused" && (
        <Button title={words.settings} onPress={() => Linking.openSettings()} />
      )}
      <Animated.FlatList
        ref={list}
        data={rows}
        itemLayoutAnimation={LinearTransition}
        keyExtractor={({ key }) => key}
        renderItem={({ item: { listing, score, match, failure, requestId } }) => (
          <ListingRow
            words={words}
            id={listing.auction_id}
            title={listing.title}
            picture={pictureOf(listing.image_url, SERVICE)}
            score={score}
            match={match}
            failure={failure && message(failure, words.language)}
            requestId={requestId}
            onVerdict={onVerdict}
          />
        )}
        ListFooterComponent={
          page < pages ? <Button title={words.more} onPress={() => setPage(page + 1)} /> : null
        }
      />
    </SafeAreaView>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, backgroundColor: "#fff", paddingTop: 12, paddingHorizontal: 16, gap: 12 },
  buttons: { flexDirection: "row", flexWrap: "wrap", gap: 12 },
  fault: { color: "#c0392b" },
});
