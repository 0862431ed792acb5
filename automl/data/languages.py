"""A guess at the language of a text: by its script, and by the small words that are in every sentence."""

from __future__ import annotations

import re
from collections import Counter

MOST_CHARACTERS = 1_000  # of a text; its language shows early
LEAST_WORDS = 2  # small words that must agree
_WORD = re.compile(r"[^\W\d_]+")

# Words of few letters that are frequent in one language; those that several share count for each of them.
SMALL_WORDS = {
    "en": "the and of to is that it was for on with as you this are have not be but they from had we i my your at "
    "an do what can will if there so me no out up just how am been",
    "de": "der die und das ist nicht ein eine ich zu den mit sie von auf für es im dem auch als wir war sich wie noch "
    "aber haben nach bei nur oder sehr aus wird wenn kann mein",
    "fr": "le la les et des est un une pas que qui dans pour je il vous nous ce sur avec ne plus sont cette mais au "
    "du en ma mon très été être ai ou si",
    "es": "el la los las y que de en un una es no por con para se lo su como más pero muy está me mi ya sin este esta "
    "son del al o si fue hay todo",
    "it": "il la che di e un una non per sono è con del della mi si ma come anche le gli ho ha questo questa più nel "
    "molto da al i o se",
    "pt": "o a os as e que de do da em um uma não para com é por se mais como mas foi ao dos das muito meu minha eu "
    "você ele ela já está isso na no",
    "nl": "de het een en van is dat niet ik op te zijn voor met die aan er maar om ook als hij wij bij naar heb heeft "
    "mijn nog wel geen wat deze",
    "pl": "nie i w na że się jest do to z jak ale po co tak za od mnie czy dla jestem bardzo był tylko już moje przez "
    "są ma",
    "sv": "och att det är som en på av för med jag inte den till har de ett om vi men var så kan från mycket mig",
    "da": "og at det er som en på af for med jeg ikke den til har de et om vi men var så kan fra meget mig",
    "fi": "ja on ei että se en hän oli kun mutta niin ovat minä tämä kuin olen jos myös vain mitä",
    "tr": "ve bir bu da de için çok ne ile mi var daha gibi ama ben o değil kadar en sonra olarak",
    "id": "yang dan di ini itu dengan untuk tidak dari saya ada akan pada juga ke karena bisa sudah kami",
    "ro": "și nu de la în a cu o este un pe din că care sunt mai pentru să am fost dar foarte",
    "cs": "a se v na je že to s z do i jsem není jak ale pro by jsou tak za po bylo velmi také",
    "hu": "a az és hogy nem is egy van de meg ez volt csak már nagyon mint ki én még",
    "vi": "và là của có không được cho một tôi này các với trong đã người những rất",
    "ru": "и в не на что я с это он как а по но все у так за было мне для от очень еще мы",
    "uk": "і в не на що я з це він як а по але все у так за було мені для від дуже ще ми та є",
}  # fmt: skip
_LANGUAGES: dict[str, tuple[str, ...]] = {}
for _code, _words in SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGES[_word] = (*_LANGUAGES.get(_word, ()), _code)

# Scripts that tell the language, or nearly; kana before the characters that Japanese shares with Chinese.
SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
)
SCRIPT_SHARE = 0.2  # of the characters
CYRILLIC = re.compile(r"[\u0400-\u04ff]")


def language_of(text: str) -> str:
    """The code of a language (ISO 639-1), '' where a text says too little or is like several."""
    text = text[:MOST_CHARACTERS].casefold()
    if not text.isascii():
        for code, letters in SCRIPTS:
            if len(letters.findall(text)) >= max(SCRIPT_SHARE * len(text), 1):
                return code
    votes: Counter[str] = Counter()
    for word in _WORD.findall(text):
        votes.update(_LANGUAGES.get(word, ()))
    ranked = votes.most_common(2)
    if not ranked or ranked[0][1] < LEAST_WORDS or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return "ru" if not ranked and len(CYRILLIC.findall(text)) >= max(SCRIPT_SHARE * len(text), 3) else ""
    return ranked[0][0]
