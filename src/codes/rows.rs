//! Codes of rows, files and plans: what a shop or a venue states and what is doubted of it.

super::codes! {
    Data "BadCheckDigit"
        "the last digit of the EAN does not fit the others: a typing error, or a code that is no EAN"
        "La clé de contrôle de l'EAN est fausse : erreur de saisie, ou code qui n'est pas un EAN"
        "correct the EAN in the shop's software; the next export brings it";
    Data "BadLength"
        "the reference has neither the 13 digits of an EAN nor the 10 of an ISBN"
        "La référence n'a ni 13 chiffres (EAN) ni 10 (ISBN)"
        "correct the reference in the shop's software, or map the column that holds EANs";
    Data "LossyReference"
        "the EAN went through a spreadsheet and lost digits (9,78E+12, or rounded)"
        "L'EAN a perdu des chiffres en passant par un tableur (9,78E+12)"
        "export again without opening the file in a spreadsheet, or format the column as text";
    Data "ReferenceSuffix"
        "something stands behind the EAN, so that it cannot be told which copy is meant"
        "Un suffixe suit l'EAN : on ne sait pas quel exemplaire est visé"
        "remove the suffix in the shop's software, or leave such references out with a filter";
    Data "InternalCode"
        "an article number of the shop's own, which pass Culture cannot know"
        "Code interne du magasin : le pass Culture ne peut pas le connaître"
        "nothing, unless it should be sold: then give the article its EAN";
    Data "UsedCopy"
        "a used copy, which may not be offered"
        "Exemplaire d'occasion : il ne peut pas être proposé"
        "nothing; if the copy is new, correct its condition or its reference in the shop's software";
    Data "Periodical"
        "a newspaper or a magazine (977…), which pass Culture does not take"
        "Presse ou revue (977…) : non proposée sur le pass Culture"
        "nothing to do";
    Data "Coupon"
        "a voucher or a coupon code, which is no product"
        "Bon d'achat ou coupon : ce n'est pas un produit"
        "nothing to do";
    Data "ZeroPrice"
        "the price is zero"
        "Le prix est nul"
        "give the article its selling price in the shop's software";
    Data "PriceAboveCap"
        "the price is above what pass Culture allows (300 EUR; 200 EUR in New Caledonia)"
        "Le prix dépasse le plafond du pass Culture (300 € ; 200 € en Nouvelle-Calédonie)"
        "check the price; if it is right, it cannot be offered";
    Data "PriceBelowFloor"
        "the price is so small that it looks like another unit or a mistake"
        "Le prix est si bas qu'il ressemble à une erreur d'unité ou de saisie"
        "check the price and its column; if such prices are right, see the adapter's setting for the floor";
    Data "MissingPrice"
        "the row has no price"
        "La ligne n'a pas de prix"
        "give the article a price, or check that the right column is mapped";
    Data "MissingQuantity"
        "the row has no quantity"
        "La ligne n'a pas de quantité"
        "check that the right column is mapped";
    Data "BadNumber"
        "a price or a quantity is no number"
        "Le prix ou la quantité n'est pas un nombre"
        "look at the row with `passerelle quarantine list` and correct it in the shop's software";
    Data "AmbiguousNumber"
        "a number can be read in two ways (1,234: a thousand or one and a bit), so it is not read at all"
        "Le nombre peut se lire de deux façons (1,234) : il n'est pas lu"
        "say in the settings how the shop writes numbers, or have it export two decimals";
    Data "Currency"
        "a price carries the sign of another currency than the venue's"
        "Le prix porte le signe d'une autre monnaie que celle du lieu"
        "check the price in the shop's software, and the column that is mapped";
    Data "ForeignCurrency"
        "the price is in another currency than the venue's"
        "Le prix est dans une autre monnaie que celle du lieu"
        "export prices in euros (XPF in New Caledonia), or check the currency column";
    Data "PriceJump"
        "the price of one item moved by more than a factor of four (`guard.max_price_factor`): the item keeps its price, the rest goes on"
        "Le prix d'un article a été multiplié ou divisé par plus de quatre : l'article garde son prix, le reste continue"
        "correct it in the shop's software; if it is right, `passerelle quarantine accept EAN`, or two later exports that say the same";
    Data "QuantityImplausible"
        "there are more copies of one title than a shop may have (`guard.max_quantity`, 2 000): the item keeps what it has"
        "La quantité d'un titre dépasse ce qu'une librairie peut avoir (2 000) : l'article garde son stock"
        "check the column that is mapped; if it is right, `passerelle quarantine accept EAN`, or two later exports that say the same";
    Data "BadLine"
        "the line cannot be cut into the columns of the file: a stray quote, delimiter or line break"
        "La ligne ne correspond pas aux colonnes du fichier : guillemet, séparateur ou retour à la ligne en trop"
        "look at the line in the file; correct the article's text in the shop's software";
    Data "SecondHeader"
        "a header stands in the middle of the file: two exports in one"
        "Un second en-tête se trouve dans le fichier : deux exports en un"
        "have the shop send one export a file";
    Data "BehindEnd"
        "the line stands behind an end-of-file character, perhaps left over from an older file"
        "La ligne se trouve après un caractère de fin de fichier : elle date peut-être d'un ancien fichier"
        "have the export written to a new file instead of over the old one";
    Data "FilteredOut"
        "a filter of the settings leaves this row out"
        "Un réglage de la librairie écarte cette ligne"
        "nothing, or change the filter in the connection's settings";
    Data "BadEncoding"
        "the text is not in the encoding that it claims or that the settings name"
        "Le texte n'est pas dans l'encodage annoncé"
        "set `encoding` to what the shop's software writes (often windows-1252)";
    Data "HeaderMismatch"
        "a column that the settings name is not in the file's header"
        "Une colonne des réglages manque dans l'en-tête du fichier"
        "`passerelle plan` shows the header that was found; correct `columns`";
    Data "NotAStockFile"
        "the file is something else than a table of stock (a PDF, an archive, a web page …)"
        "Le fichier n'est pas un tableau de stock (PDF, archive, page web…)"
        "have the shop export CSV or a spreadsheet";
    Data "Unreadable"
        "what arrived cannot be read: a damaged file, or a message that is no document"
        "Ce qui est arrivé est illisible : fichier abîmé ou message qui n'est pas un document"
        "see the sentence beside the code; have it sent again";
    Waiting "FileIncomplete"
        "the file is still being written or uploaded"
        "Le fichier est encore en cours d'écriture ou d'envoi"
        "nothing: it is read when it has settled; if it stays so, have the export sent again";
    Data "StaleFile"
        "the newest export is older than the settings allow"
        "Le dernier export est trop ancien"
        "look at the shop's export job: it has probably stopped";
    Data "TooManyRows"
        "there are more rows than one connection may state"
        "Il y a plus de lignes que le maximum permis"
        "split the source, or ask for less of it in the settings";
    Data "NegativeQuantityClamped"
        "a quantity below zero counts as none"
        "Une quantité négative compte comme zéro"
        "nothing, or correct the stock in the shop's software";
    Data "QuantityClamped"
        "a quantity above pass Culture's maximum of 1 000 000 counts as that"
        "Une quantité au-delà d'un million est ramenée à un million"
        "check the quantity in the shop's software";
    Data "RoundedPrice"
        "a price with more than two decimals was rounded to the cent"
        "Un prix à plus de deux décimales a été arrondi au centime"
        "nothing to do, unless prices without tax are exported by mistake";
    Data "PriceConflict"
        "two rows of one EAN state different prices"
        "Deux lignes du même EAN annoncent des prix différents"
        "give the article one price in the shop's software";
    Data "DuplicateReference"
        "several rows have the same EAN and were joined"
        "Plusieurs lignes du même EAN ont été réunies"
        "nothing, if they are copies in several places";
    Data "Expired"
        "what the row is about is over"
        "Ce que la ligne décrit est passé"
        "nothing to do";
    Data "SuspiciousEmpty"
        "the plan is held: the export is empty, and everything would be withdrawn"
        "Plan retenu : l'export est vide, tout serait retiré de la vente"
        "look at the export; if it is right, release the plan with `passerelle sync ID --release`";
    Data "SuspiciousFewRows"
        "the plan is held: the export has fewer rows than the source is expected to have"
        "Plan retenu : l'export a moins de lignes que prévu"
        "look at the export; if it is right, release the plan with `passerelle sync ID --release`";
    Data "SuspiciousShrink"
        "the plan is held: too many articles would be withdrawn at once"
        "Plan retenu : trop d'articles seraient retirés d'un coup"
        "look at the export; a second export that agrees applies it, or `passerelle sync ID --release`";
    Data "ImplausiblePriceUnit"
        "most prices went by a factor of ten or more, or cannot be euros: cents and euros are mixed up"
        "La plupart des prix ont changé d'un facteur dix : confusion entre euros et centimes"
        "check the unit of prices in the settings and in the export; if it is right, release the plan";
    Data "SuspiciousFirstSync"
        "the plan is held: what a connection states for the first time does not look like a shop's stock"
        "Plan retenu : ce premier envoi ne ressemble pas au stock d'une librairie"
        "look at `passerelle plan ID`: prices, quantities, columns; if it is right, release the plan";
    Settings "LiveTickets"
        "the adapter of a connection was changed while tickets that it sold are good: only it can void them"
        "L'adaptateur d'une connexion a changé alors que des billets vendus par lui sont valables : lui seul peut les annuler"
        "keep the adapter until they are over, and declare the other one under another id";
    Settings "PlanMoved"
        "a saved plan is not what would be sent now: the export, the ledger or pass Culture has moved"
        "Le plan enregistré ne correspond plus à ce qui serait envoyé maintenant"
        "make it anew: `passerelle plan ID --out FILE`";
    Data "DateDeleted"
        "a date that was online was deleted on pass Culture's side"
        "Une séance en ligne a été supprimée sur le pass Culture"
        "ask who deleted it; the next pass states it again if the vendor still has it";
    Data "NoTitle"
        "the show has no title"
        "Le spectacle n'a pas de titre"
        "give it a title in the venue's system";
    Data "NoSuchTime"
        "the show's time does not exist (the hour that a change of clocks leaves out)"
        "L'heure de la séance n'existe pas (changement d'heure)"
        "correct the time in the venue's system";
    Data "NoPassCultureTariff"
        "the show has no tariff for pass Culture"
        "La séance n'a pas de tarif pass Culture"
        "create the tariff in the venue's system, or name it in the settings";
    Data "AnotherPrice"
        "the show has another price than the one in the settings"
        "La séance a un autre prix que celui des réglages"
        "nothing, if such shows are not for pass Culture; else change the price in the settings";
    Data "NoFilm"
        "the show names no film that the listing describes"
        "La séance ne désigne aucun film connu"
        "correct the show at the vendor";
    Data "DuplicateShow"
        "the vendor states the same show twice, differently"
        "Le logiciel annonce deux fois la même séance, différemment"
        "correct the show at the vendor; it is not sold meanwhile";
    Data "UnreadableShow"
        "a show of the vendor's listing cannot be read"
        "Une séance de la liste est illisible"
        "look at the row with `passerelle quarantine list`; report it to the vendor if it is theirs";
    Data "UnreadableItem"
        "an article of the vendor's listing cannot be read"
        "Un article de la liste est illisible"
        "look at the row with `passerelle quarantine list`";
}
