//! Properties of Apache's broker, 4.9.7 and 5.4.0, that have no effect here, by reason. A file that sets one gets a warning with the
//! reason; the reference page lists them. What has a line in `table.rs` does not stand here.
use ferromq_protocol::settings::WithoutEffect;

macro_rules! reasons {
    ($($reason:literal: $names:literal;)*) => { &[$(WithoutEffect { reason: $reason, names: $names },)*] };
}

pub(super) const WITHOUT_EFFECT: &[WithoutEffect] = reasons! {
    "there are no pools of threads with queues; the tasks of the connections serve requests":
        "ackMessageThreadPoolNums ackThreadPoolQueueCapacity adminBrokerThreadPoolNums adminBrokerThreadPoolQueueCapacity
         batchDispatchRequestThreadPoolNums clientManageThreadPoolNums clientManagerThreadPoolQueueCapacity
         consumerManageThreadPoolNums consumerManagerThreadPoolQueueCapacity endTransactionPoolQueueCapacity
         endTransactionThreadPoolNums heartbeatThreadPoolNums heartbeatThreadPoolQueueCapacity
         litePullMessageThreadPoolNums litePullThreadPoolQueueCapacity loadBalanceProcessorThreadPoolNums
         loadBalanceThreadPoolQueueCapacity processReplyMessageThreadPoolNums pullMessageThreadPoolNums
         pullThreadPoolQueueCapacity putMessageFutureThreadPoolNums putThreadPoolQueueCapacity queryMessageThreadPoolNums
         queryThreadPoolQueueCapacity recoverThreadPoolNums replyThreadPoolQueueCapacity sendMessageThreadPoolNums
         sendThreadPoolQueueCapacity asyncSendEnable enableFastChannelEventProcess";
    "it belongs to Netty, which is not used":
        "serverWorkerThreads serverCallbackExecutorThreads serverSelectorThreads serverOnewaySemaphoreValue
         serverAsyncSemaphoreValue serverSocketSndBufSize serverSocketRcvBufSize serverSocketBacklog
         serverNettyWorkerGroupEnable serverPooledByteBufAllocatorEnable writeBufferHighWaterMark writeBufferLowWaterMark
         useEpollNativeSelector clientWorkerThreads clientCallbackExecutorThreads clientOnewaySemaphoreValue
         clientAsyncSemaphoreValue clientChannelMaxIdleTimeSeconds clientSocketSndBufSize clientSocketRcvBufSize
         clientPooledByteBufAllocatorEnable clientCloseSocketIfTimeout connectTimeoutMillis channelNotActiveInterval
         isScanAvailableNameSrv disableCallbackExecutor disableNettyWorkerGroup maxReconnectIntervalTimeSeconds
         enableReconnectForGoAway transferMsgByHeap highSpeedMode";
    "the log is always mapped and appended under one short lock":
        "transientStorePoolEnable transientStorePoolSize fastFailIfNoBufferInStorePool commitIntervalCommitLog
         commitCommitLogLeastPages commitCommitLogThoroughInterval wakeCommitWhenPutMessage wakeFlushWhenPutMessage
         flushCommitLogTimed useReentrantLockWhenPutMessage useABSLock spinLockCollisionRetreatOptimalDegree topicQueueLockNum
         writeWithoutMmap putConsumeQueueDataByFileChannel maxAsyncPutMessageRequests putMessageTimeout
         sharedByteBufferNum debugLockEnable dispatchFromSenderThread enableRunningFlagsInFlush";
    "readers keep what they read of a removed file, and what cannot be removed is tried again at the next look":
        "destroyMapedFileIntervalForcibly redeleteHangedFileInterval";
    "pages are made ready and left to the operating system by the store's own rules":
        "warmMapedFileEnable flushLeastPagesWhenWarmMapedFile mappedFileSwapEnable commitLogForceSwapMapInterval
         commitLogSwapMapInterval commitLogSwapMapReserveFileNum logicQueueForceSwapMapInterval logicQueueSwapMapInterval
         logicQueueSwapMapReserveFileNum cleanSwapedMapInterval accessMessageInMemoryHotRatio dataReadAheadEnable";
    "recovery always checks every record and decides itself how far it reads back":
        "checkCRCOnRecover recoverConcurrently enableAcceleratedRecovery maxRecoveryCommitlogFiles commitLogRecoverMaxNum
         recheckReputOffsetFromCq enableLogConsumeQueueRepeatedlyBuildWhenRecover messageIndexSafe duplicationEnable
         enableBuildConsumeQueueConcurrently dispatchCqThreads dispatchCqCacheNum enableAsyncReput readUnCommitted
         correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval maxChecksumRange";
    "the index has a thread of its own and is always written and read when messageIndexEnable says so":
        "indexFileReadEnable indexFileWriteEnable putMsgIndexHightWater";
    "commits of transactions and their op records are one append":
        "transactionOpBatchInterval transactionMetricFlushInterval transWriteOriginTransHalfEnable";
    "delayed messages are delivered in batches, in order, by one thread":
        "enableScheduleAsyncDeliver scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked
         enableScheduleMessageStats delayOffsetUpdateVersionStep";
    "consumer filters are evaluated where a pull is answered; there are no bit maps":
        "enableCalcFilterBitMap bitMapLengthConsumeQueueExt expectConsumerNumUseFilter maxErrorRateOfBloomFilter
         maxFilterMessageSize";
    "cold reads have threads of their own and disturb nobody":
        "coldCtrStrategyEnable usePIDColdCtrStrategy cgColdReadThreshold globalColdReadThreshold
         coldDataFlowControlEnable coldDataScanEnable timerColdDataCheckIntervalMs";
    "slaves are not available":
        "haMasterAddress haSendHeartbeatInterval haHousekeepingInterval haTransferBatchSize haMaxGapNotInSync
         haMaxTimeSlaveNotCatchup haSlaveFallbehindMax haFlowControlEnable maxHaTransferByteInSecond maxSlaveResendLength
         slaveReadEnable slaveTimeout offsetCheckInSlave totalReplicas inSyncReplicas minInSyncReplicas
         allAckInSyncStateSet enableAutoInSyncReplicas syncFromLastFile asyncLearner enableBatchPush
         syncMasterFlushOffsetWhenStartup replicasPerDiskPartition logicalDiskSpaceCleanForciblyThreshold
         enableSlaveActingMaster enableRemoteEscape skipPreOnline brokerHeartbeatInterval brokerNotActiveTimeoutMillis
         sendHeartbeatTimeoutMillis syncBrokerMemberGroupPeriod syncBrokerMetadataPeriod compatibleWithOldNameSrv
         forwardTimeout storePathEpochFile lockInStrictMode diskFallRecorded";
    "there is no controller and no DLedger":
        "enableControllerMode controllerAddr fetchControllerAddrByDnsLookup syncControllerMetadataPeriod
         controllerHeartBeatTimeoutMills checkSyncStateSetPeriod brokerElectionPriority storePathBrokerIdentity
         enableDLegerCommitLog dLegerGroup dLegerPeers dLegerSelfId preferredLeaderId storePathDLedgerCommitLog
         isBrokerContainer isInBrokerContainer brokerContainerIP";
    "pop consumption is not available":
        "popPollingSize popPollingMapSize popPollingMapExpireTimeSeconds maxPopPollingSize reviveInterval reviveMaxSlow
         reviveScanTime reviveAckWaitMs enableSkipLongAwaitingAck enablePopLog enablePopBufferMerge popCkStayBufferTime
         popCkStayBufferTimeOut popCkMaxBufferSize popCkOffsetMaxQueueSize enablePopBatchAck popLongPollingForceNotifyInterval
         enableNotifyBeforePopCalculateLag enableNotifyAfterPopOrderLockRelease initPopOffsetByCheckMsgInMem
         retrieveMessageFromPopRetryTopicV1 enableRetryTopicV2 popFromRetryProbability popFromRetryProbabilityForPriority
         priorityOrderAsc popConsumerFSServiceInit popConsumerKVServiceLog popConsumerKVServiceInit
         popConsumerKVServiceEnable popReviveMaxReturnSizePerRead popReviveConcurrency popReviveMaxAttemptTimes
         useSeparateRetryQueue popResponseReturnActualRetryTopic popInflightMessageThreshold enablePopMessageThreshold
         skipWhenCKRePutReachMaxTimes appendAckAsync appendCkAsync clearRetryTopicWhenDeleteTopic enablePopMetrics
         loadBalancePollNameServerInterval serverLoadBalancerEnable defaultMessageRequestMode defaultPopShareQueueNum";
    "timer messages are not available":
        "timerWheelEnable timerPrecisionMs timerMaxDelaySec timerRollWindowSlot timerFlushIntervalMs timerGetMessageThreadNum
         timerPutMessageThreadNum timerEnableDisruptor timerEnableCheckMetrics timerInterceptDelayLevel
         timerSkipUnknownError timerStopDequeue timerStopEnqueue timerWarmEnable timerCheckMetricsWhen
         timerMetricSmallThreshold timerProgressLogIntervalMs timerCongestNumEachSlot timerEnableRetryUntilSuccess
         timerWheelSnapshotFlush timerWheelSnapshotIntervalMs timerRecallToTimeWheelEnable timerRecallToTimelineEnable
         timerRocksDBEnable timerRocksDBPrecisionMs timerRocksDBRollIntervalHours timerRocksDBRollMaxTps
         timerRocksDBRollRangeHours timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps mappedFileSizeTimerLog
         appendTopicForTimerDeleteKey maxDelayTime disappearTimeAfterStart
         allowRecallWhenBrokerNotWriteable";
    "queues and settings are kept in files, not in RocksDB":
        "storeType rocksdbCQDoubleWriteEnable rocksdbCompressionType rocksdbFlushWalFrequency
         rocksdbWalFileRollingThreshold bottomMostCompressionTypeForConsumeQueueStore memTableFlushIntervalMs
         cleanRocksDBDirtyCQIntervalMin statRocksDBCQIntervalSec realTimePersistRocksDBConfig enableRocksDBLog
         indexRocksDBEnable maxRocksDBIndexQueryDays transRocksDBEnable configManagerVersion
         useSingleRocksDBForAllConfigs combineAssignOffsetCQType combineCQEnableCheckSelf combineCQLoadingCQTypes
         combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType batchSize maxBatchDeleteFilesNum";
    "topics are not compacted":
        "enableCompaction compactionThreadNum compactionScheduleInternal compactionMappedFileSize
         compactionCqMappedFileSize maxOffsetMapSize";
    "light message queues are not available": "enableLmq enableMultiDispatch enableLmqStats maxLmqConsumeQueueNum";
    "access control is not available yet":
        "aclEnable authenticationEnabled authenticationProvider authenticationMetadataProvider authenticationStrategy
         authenticationWhitelist initAuthenticationUser innerClientAuthenticationCredentials authorizationEnabled
         authorizationProvider authorizationMetadataProvider authorizationStrategy authorizationWhitelist
         migrateAuthFromV1Enabled userCacheMaxNum userCacheExpiredSecond userCacheRefreshSecond aclCacheMaxNum
         aclCacheExpiredSecond aclCacheRefreshSecond statefulAuthenticationCacheMaxNum
         statefulAuthenticationCacheExpiredSecond statefulAuthorizationCacheMaxNum
         statefulAuthorizationCacheExpiredSecond authConfigPath useTLS socksProxyConfig configName clusterName";
    "metrics are not exported yet":
        "metricsExporterType metricsOtelCardinalityLimit metricsGrpcExporterTarget metricsGrpcExporterHeader
         metricGrpcExporterTimeOutInMills metricGrpcExporterIntervalInMills metricLoggingExporterIntervalInMills
         metricsPromExporterPort metricsPromExporterHost metricsLabel metricsInDelta enableRemotingMetrics
         enableMessageStoreMetrics enableConnectionMetrics enableTransactionMetrics enableStatsMetrics
         enableRequestMetrics enableLagAndDlqMetrics estimateAccumulation";
    "statistics are counted at no cost and always kept":
        "accountStatsEnable accountStatsPrintZeroValues maxStatsIdleTimeInMinutes autoDeleteUnusedStats enableDetailStat
         commercialEnable commercialBaseCount commercialBigCount commercialSizePerMsg commercialTimerCount
         commercialTransCount isolateLogEnable printChannelGroups printChannelGroupsMinNum";
    "name servers are those of namesrvAddr, read anew for every registration":
        "fetchNamesrvAddrByAddressServer fetchNameSrvAddrByDnsLookup fetchNamesrvAddrInterval updateNameServerAddrPeriod
         rmqAddressServerDomain rmqAddressServerSubGroup";
    "registrations name what changed, at once, and everything periodically, uncompressed as Apache's do":
        "compressedRegister enableSingleTopicRegister enableSplitRegistration splitRegistrationSize enableSplitMetadata
         splitMetadataSize enableRegisterProducer";
    "there is nothing of it in this broker":
        "rocketmqHome messageStorePlugIn filterServerNums flushConsumerOffsetHistoryInterval
         disableConsumeIfConsumerReadSlowly consumerFallbehindThreshold enableNetWorkFlowControl realTimeNotifyConsumerChange
         enableBroadcastOffsetStore broadcastOffsetExpireSecond broadcastOffsetExpireMaxSecond subscriptionExpiredTimeout
         cleanOfflineBrokerInterval useStaticSubscription enableShutdownGracefully shutdownWaitTimeSeconds
         enableCleanExpiredOffset autoMessageVersionOnTopicLen maxTopicLength maxMsgsNumBatch pullBatchMaxMessageCount
         travelCqFileNumWhenGetMessage searchBcqByCacheEnable sampleSteps sampleCountThreshold enabledAppendPropCRC
         forceVerifyPropCRC";
};
